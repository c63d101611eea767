package org.vfio4j.i40evf;

import java.util.concurrent.atomic.AtomicIntegerArray;

/** The tail registers of the queues. Written by the function's thread, read by the queue thread. */
final class Tails {

    private final AtomicIntegerArray tx = new AtomicIntegerArray(VfRegisters.MAX_QUEUES);
    private final AtomicIntegerArray rx = new AtomicIntegerArray(VfRegisters.MAX_QUEUES);

    int tx(int queue) {
        return tx.get(queue);
    }

    int rx(int queue) {
        return rx.get(queue);
    }

    void setTx(int queue, int value) {
        tx.set(queue, value);
    }

    void setRx(int queue, int value) {
        rx.set(queue, value);
    }

    void reset() {
        for (int i = 0; i < VfRegisters.MAX_QUEUES; i++) {
            tx.set(i, 0);
            rx.set(i, 0);
        }
    }
}
