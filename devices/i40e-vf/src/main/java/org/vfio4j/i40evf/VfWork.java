package org.vfio4j.i40evf;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.Deque;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.devicemodel.QueueWork;
import org.vfio4j.sys.Fd;

/**
 * The queue thread's work on a function: admin queues, what came over the link, what goes out. Allocates nothing once warm, apart
 * from what the migration of a busy function puts into {@link #backlog}.
 */
final class VfWork implements QueueWork {

    private static final Logger LOG = System.getLogger(VfWork.class.getName());

    /** Packets of one queue, or frames of one sender, before the next one has its turn. */
    private static final int BATCH = 64;

    private final String name;
    private final VfRegisters registers;
    private final VfInterrupts interrupts;
    private final VfConfig config;
    private final AdminQueue admin;
    private final VfCounters counters;
    private final NetworkPort port;
    private final NetworkPort.Holder holder;

    /** Tails may change without a doorbell. */
    private final boolean pollsTails;

    /** Frames that had come before the function was quiesced, and that its driver does not have yet. */
    private final Deque<byte[]> backlog = new ArrayDeque<>();

    private volatile boolean masters;
    private volatile boolean quiesced;
    private volatile boolean broken;
    private boolean faulted;
    private boolean later;

    VfWork(
            String name,
            VfRegisters registers,
            VfInterrupts interrupts,
            VfConfig config,
            AdminQueue admin,
            VfCounters counters,
            NetworkPort port,
            NetworkPort.Holder holder,
            boolean pollsTails) {
        this.name = name;
        this.registers = registers;
        this.interrupts = interrupts;
        this.config = config;
        this.admin = admin;
        this.counters = counters;
        this.port = port;
        this.holder = holder;
        this.pollsTails = pollsTails;
    }

    /** Whether the function may do DMA at all. From the function's thread. */
    void setBusMaster(boolean enabled) {
        masters = enabled;
    }

    boolean isQuiesced() {
        return quiesced;
    }

    /** Before the queue thread is quiesced: no pass begins any more. */
    void stop() {
        quiesced = true;
    }

    /** While the queue thread is quiesced: takes the frames from the link that are this function's already. */
    void takeArrived() {
        if (!port.pause(holder)) {
            return;
        }
        for (FrameRing ring : port.inbound()) {
            for (int length = ring.firstLength(); length > 0; length = ring.firstLength()) {
                byte[] frame = new byte[length];
                System.arraycopy(ring.array(), ring.firstOffset(), frame, 0, length);
                backlog.add(frame);
                ring.removeFirst(length);
            }
        }
    }

    /** While the queue thread is quiesced: the function is about to go on, and holds its port from now on. */
    void takeOver() {
        if (masters && config.isStarted()) {
            holdPort();
        }
    }

    void start() {
        quiesced = false;
    }

    Deque<byte[]> backlog() {
        return backlog;
    }

    /** While the queue thread is quiesced, or on it. */
    void reset() {
        port.leave(holder);
        backlog.clear();
        broken = false;
    }

    @Override
    public boolean ready() {
        return masters && !quiesced && !broken;
    }

    @Override
    public void begin(Fd eventFd) {}

    @Override
    public void end() {}

    @Override
    public void entered(DmaWindow window) {}

    @Override
    public int poll(DmaWindow window) {
        later = false;
        faulted = false;
        int did = admin.poll(window);
        later |= admin.isStuck();
        if (!config.isStarted()) {
            port.leave(holder);
        } else if (holdPort()) {
            did += move(window);
        } else {
            later = true;
        }
        interrupt();
        if (faulted) {
            // The driver hears of it in the next pass, which must not wait for anything.
            return did + 1;
        }
        return did == 0 && later ? QueueWork.LATER : did;
    }

    /** Every doorbell wakes the thread, so there is nothing to ask for. */
    @Override
    public boolean arm(DmaWindow window) {
        return false;
    }

    @Override
    public void disarm(DmaWindow window) {}

    @Override
    public int inFlight() {
        return 0;
    }

    @Override
    public void drain(DmaWindow window) {}

    @Override
    public void failed(Throwable cause) {
        LOG.log(Level.ERROR, name + ": the device stops until it is reset", cause);
        broken = true;
        port.leave(holder);
    }

    /** The port is up while the function receives. Returns false when another function has the port. */
    private boolean holdPort() {
        boolean receives = config.receiving().enabled;
        return port.isHeld(holder, receives) || port.hold(holder, receives, config.filters);
    }

    /** Packets in and out. */
    private int move(DmaWindow window) {
        int did = receive(window);
        for (int i = 0; i < config.queuePairs; i++) {
            if (config.tx[i].enabled) {
                did += transmit(config.tx[i], registers.get(VfRegs.QTX_TAIL1 + Integer.BYTES * i), window);
            }
        }
        port.flush();
        later |= pollsTails;
        return did;
    }

    private int receive(DmaWindow window) {
        if (!config.receiving().enabled) {
            return 0;
        }
        int did = 0;
        while (!backlog.isEmpty()) {
            byte[] frame = backlog.getFirst();
            if (!receive(window, frame, 0, frame.length)) {
                return did;
            }
            backlog.removeFirst();
            did++;
        }
        FrameRing[] rings = port.inbound();
        for (int i = 0; i < rings.length && config.receiving().enabled; i++) {
            int taken = receive(window, rings[i]);
            if (taken > 0) {
                port.took(i);
            }
            did += taken;
        }
        return did;
    }

    private int receive(DmaWindow window, FrameRing ring) {
        int taken = 0;
        while (taken < BATCH) {
            int length = ring.firstLength();
            if (length == 0 || !receive(window, ring.array(), ring.firstOffset(), length)) {
                break;
            }
            ring.removeFirst(length);
            taken++;
        }
        return taken;
    }

    /** Returns false when the frame has to stay where it is. */
    private boolean receive(DmaWindow window, byte[] from, int offset, int length) {
        RxQueue queue = config.receiving();
        int result = queue.receive(window, registers.get(VfRegs.QRX_TAIL1), from, offset, length);
        switch (result) {
            case RxQueue.RECEIVED -> counters.received(MacFilters.address(from, offset), length);
            case RxQueue.LATER -> later = true;
            case RxQueue.FAULT -> {
                queue.enabled = false;
                fault();
            }
            default -> counters.add(VfCounters.RX_DISCARDS, 1);
        }
        return result != RxQueue.LATER && queue.enabled;
    }

    private int transmit(TxQueue queue, int tail, DmaWindow window) {
        int result = queue.poll(window, port, tail, BATCH);
        if (result == TxQueue.LATER) {
            later = true;
        } else if (result == TxQueue.FAULT) {
            queue.enabled = false;
            fault();
        }
        return Math.max(result, 0);
    }

    /** The queue stands still: the driver is asked to reset the function. */
    private void fault() {
        faulted = true;
        counters.add(VfCounters.FAULTS, 1);
        config.resetEvent = true;
    }

    private void interrupt() {
        int vectors = 0;
        for (int i = 0; i < config.queuePairs; i++) {
            if (config.tx[i].takeInterrupt() && config.tx[i].vector != VfConfig.NO_VECTOR) {
                vectors |= 1 << config.tx[i].vector;
            }
            if (config.rx[i].takeInterrupt() && config.rx[i].vector != VfConfig.NO_VECTOR) {
                vectors |= 1 << config.rx[i].vector;
            }
        }
        for (int vector = 0; vectors != 0; vector++) {
            if ((vectors & (1 << vector)) != 0) {
                vectors &= ~(1 << vector);
                interrupts.cause(vector);
            }
        }
    }
}
