package org.vfio4j.it;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.vfio4j.it.EduDevice.*;
import static org.vfio4j.it.HostChecks.expectEqual;
import static org.vfio4j.it.HostChecks.expectRefused;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioIrqSet;

/** Registers and interrupts of {@link EduDevice}. */
final class EduChecks {

    private static final int UNMASK = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK;
    private static final int MASK = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK;

    private EduChecks() {}

    static void run(PciAddress address, String name) {
        try (EduDevice edu = EduDevice.open(address)) {
            // A message of MSI is a write.
            edu.allowDma();
            switch (name) {
                case "registers" -> registers(edu);
                case "msi" -> msi(edu);
                case "intx" -> intx(edu);
                case "unmask-by-eventfd" -> unmaskByEventFd(edu);
                case "twice" -> twice(edu, address);
                case "hold" -> hold(edu);
                default -> throw new IllegalArgumentException(name);
            }
        }
    }

    /** The same in mapped memory and by reads of the file. */
    private static void registers(EduDevice edu) {
        expectEqual("identification", EDU, edu.get(IDENTIFICATION));
        edu.put(LIVENESS, 0x12345678);
        expectEqual("liveness", ~0x12345678, edu.get(LIVENESS));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocateFrom(JAVA_INT, 0x0f0f00ff);
            edu.file().write(VFIO_PCI_BAR0_REGION_INDEX, LIVENESS, value, 0, Integer.BYTES);
            expectEqual("liveness in mapped memory", ~0x0f0f00ff, edu.get(LIVENESS));
            edu.file().read(VFIO_PCI_BAR0_REGION_INDEX, IDENTIFICATION, value, 0, Integer.BYTES);
            expectEqual("identification that was read", EDU, value.get(JAVA_INT, 0));
        }
    }

    private static void msi(EduDevice edu) {
        expectEqual(
                "vectors of MSI", 1, edu.file().irqInfo(VFIO_PCI_MSI_IRQ_INDEX).count());
        try (HostInterrupts interrupts = HostInterrupts.set(edu.file(), VFIO_PCI_MSI_IRQ_INDEX, 1)) {
            edu.put(STATUS, STATUS_INTERRUPTS);
            edu.put(FACTORIAL, 10);
            interrupts.expectOne(0);
            expectEqual("10!", 3_628_800, edu.get(FACTORIAL));
            expectEqual("interrupt status", 1, edu.get(INTERRUPT_STATUS));
            edu.put(INTERRUPT_ACKNOWLEDGE, 1);
            edu.put(INTERRUPT_RAISE, 0x40);
            interrupts.expectOne(0);
            edu.put(INTERRUPT_ACKNOWLEDGE, 0x40);
        }
    }

    /** A line that stays asserted interrupts once, and again for each time that it is unmasked. */
    private static void intx(EduDevice edu) {
        int flags = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
        expectEqual(
                "flags of INTx",
                flags,
                edu.file().irqInfo(VFIO_PCI_INTX_IRQ_INDEX).flags());
        try (HostInterrupts line = HostInterrupts.set(edu.file(), VFIO_PCI_INTX_IRQ_INDEX, 1)) {
            edu.put(INTERRUPT_RAISE, 4);
            line.expectOne(0);
            line.expectNone(0);
            line.with(UNMASK, 0, 1);
            line.expectOne(0);
            edu.put(INTERRUPT_ACKNOWLEDGE, 4);
            line.with(UNMASK, 0, 1);
            line.expectNone(0);
            line.with(MASK, 0, 1);
            edu.put(INTERRUPT_RAISE, 8);
            line.expectNone(0);
            line.with(UNMASK, 0, 1);
            line.expectOne(0);
            edu.put(INTERRUPT_ACKNOWLEDGE, 8);
        }
    }

    private static void unmaskByEventFd(EduDevice edu) {
        try (HostInterrupts line = HostInterrupts.set(edu.file(), VFIO_PCI_INTX_IRQ_INDEX, 1);
                Fd unmask = EventFd.create()) {
            edu.file()
                    .setIrqs(VfioIrqSet.eventFds(
                            VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK,
                            VFIO_PCI_INTX_IRQ_INDEX,
                            0,
                            1,
                            List.of(unmask.dup())));
            edu.put(INTERRUPT_RAISE, 4);
            line.expectOne(0);
            EventFd.signal(unmask.value());
            line.expectOne(0);
            edu.put(INTERRUPT_ACKNOWLEDGE, 4);
        }
    }

    private static void twice(EduDevice edu, PciAddress address) {
        expectRefused(
                Errno.EBUSY,
                "IOMMU group is open already",
                () -> EduDevice.open(address).close());
        expectEqual("identification", EDU, edu.get(IDENTIFICATION));
    }

    /** Until the process is killed: with an interrupt, and with a computation that is to interrupt. */
    private static void hold(EduDevice edu) {
        try (HostInterrupts interrupts = HostInterrupts.set(edu.file(), VFIO_PCI_MSI_IRQ_INDEX, 1)) {
            edu.put(STATUS, STATUS_INTERRUPTS);
            while (true) {
                edu.put(FACTORIAL, 12);
                interrupts.expectOne(0);
                edu.put(INTERRUPT_ACKNOWLEDGE, 1);
                LockSupport.parkNanos(1_000_000);
            }
        }
    }
}
