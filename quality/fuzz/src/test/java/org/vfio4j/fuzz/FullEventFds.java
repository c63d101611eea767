package org.vfio4j.fuzz;

import static org.vfio4j.uapi.Vfio.*;

import java.nio.file.Path;
import java.util.random.RandomGenerator;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.testkit.FullEventFd;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** An attack by eventfds that block and are full, for everything that a server signals. Stateless. */
final class FullEventFds {

    private static final int ASSIGN = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    private static final int UNMASK_BY = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK;
    private static final int REQUESTS = 20;

    private FullEventFds() {}

    /** A disk's requests, loopbacks and unmasks, each with a full eventfd. Some rounds leave while one is signalled. */
    static void attack(Path socket, RandomGenerator random) {
        int index = random.nextBoolean() ? VFIO_PCI_MSIX_IRQ_INDEX : VFIO_PCI_INTX_IRQ_INDEX;
        try (RawClient client = RawClient.negotiated(socket);
                Fd memory = MemFd.create("full", DiskDriver.MEMORY_BYTES);
                Fd full = FullEventFd.create();
                Fd unmask = EventFd.create()) {
            assign(client, index, full);
            assign(client, VFIO_PCI_ERR_IRQ_INDEX, full);
            assign(client, VFIO_PCI_REQ_IRQ_INDEX, full);
            if (index == VFIO_PCI_INTX_IRQ_INDEX) {
                must(client.call(Wire.setIrqs(UNMASK_BY, index, 0, 1), unmask));
            }
            DiskDriver.putRequest(memory);
            for (RawMessage message : DiskDriver.setUp()) {
                client.call(message, message.command() == DiskDriver.DMA_MAP ? new Fd[] {memory} : new Fd[0]);
            }
            for (int i = 1; i <= REQUESTS; i++) {
                DiskDriver.putAgain(memory, i);
                FullEventFd.fill(full);
                must(client.call(DiskDriver.ring()));
                EventFd.signal(unmask.value());
                must(client.call(Wire.setIrqs(Attack.FIRE, index, 0, 1)));
                must(client.call(Wire.setIrqs(Attack.FIRE, VFIO_PCI_ERR_IRQ_INDEX, 0, 1)));
                must(client.call(Wire.setIrqs(Attack.FIRE, VFIO_PCI_REQ_IRQ_INDEX, 0, 1)));
            }
        }
    }

    private static void assign(RawClient client, int index, Fd full) {
        must(client.call(Wire.setIrqs(ASSIGN, index, 0, 1), full));
    }

    private static void must(RawMessage reply) {
        if (reply.isError()) {
            throw new AssertionError("refused: " + reply);
        }
    }
}
