package org.vfio4j.fuzz;

import static org.vfio4j.nvmedriver.NvmeCommand.READ;
import static org.vfio4j.nvmedriver.NvmeCommand.io;
import static org.vfio4j.uapi.Vfio.*;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.nvme.NamespaceOptions;
import org.vfio4j.nvme.Nvme;
import org.vfio4j.nvme.NvmeIdentity;
import org.vfio4j.sys.Fd;
import org.vfio4j.testkit.FullEventFd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciCore;

/** A controller whose interrupts go to eventfds that block and are full: its queues go on, and it comes to its end. */
class FullEventFdsOfNvmeTest {

    private static final int COMMANDS = 100;

    @Test
    void holdUpNoQueue() {
        Leaks before = Leaks.snapshot();
        try (BlockBackend storage = new MemoryBackend(TestDisk.BYTES);
                Nvme nvme = Nvme.builder(NvmeIdentity.of("FULL"))
                        .namespace(new NamespaceOptions(storage, 512, Optional.empty()))
                        .queuePairs(2)
                        .threads(2)
                        .build()) {
            VfioRegistry registry = new VfioRegistry();
            VfioDevice device =
                    registry.register(new VfioPciCore("vfio-pci", nvme.function()), () -> () -> {}, "0000:08:00.0");
            LocalDeviceFile file = device.open();
            try (NvmeGuest guest = new NvmeGuest(nvme.function());
                    Fd admin = FullEventFd.create();
                    Fd io = FullEventFd.create()) {
                guest.start();
                file.setIrqs(VfioIrqSet.eventFds(
                        VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                        VFIO_PCI_MSIX_IRQ_INDEX,
                        0,
                        2,
                        List.of(admin.dup(), io.dup())));
                for (int i = 0; i < COMMANDS; i++) {
                    FullEventFd.fill(admin);
                    FullEventFd.fill(io);
                    guest.must(NvmeGuest.IO, io(READ, 1, 0, 8).prp(NvmeGuest.DATA));
                }
            }
            FullEventFd.endsSoon("close", file::close);
            registry.unregister(device, Duration.ofSeconds(10));
        }
        before.assertNone();
    }
}
