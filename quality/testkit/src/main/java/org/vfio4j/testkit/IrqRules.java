package org.vfio4j.testkit;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.testkit.DeviceUnderTest.ASSIGN;
import static org.vfio4j.testkit.DeviceUnderTest.FIRE;
import static org.vfio4j.testkit.DeviceUnderTest.errnoOf;
import static org.vfio4j.testkit.DeviceUnderTest.expect;
import static org.vfio4j.testkit.DeviceUnderTest.expectErrno;
import static org.vfio4j.testkit.DeviceUnderTest.expectNoSignal;
import static org.vfio4j.testkit.DeviceUnderTest.expectSignal;
import static org.vfio4j.testkit.DeviceUnderTest.hex;
import static org.vfio4j.uapi.Vfio.*;

import java.util.Collections;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;

/** SET_IRQS in every combination, legal and not (struct vfio_irq_set in linux/vfio.h). */
final class IrqRules {

    private static final int DATA = VFIO_IRQ_SET_DATA_TYPE_MASK;
    private static final int ACTION = VFIO_IRQ_SET_ACTION_TYPE_MASK;
    private static final int ALL_FLAGS = 0x80;

    private IrqRules() {}

    static void add(BiConsumer<String, Consumer<DeviceUnderTest>> rules) {
        rules.accept("irqs.refusesIndicesThatAreNotThere", IrqRules::indexIsChecked);
        rules.accept("irqs.refusesFlagsThatAreNotOneDataAndOneAction", IrqRules::flags);
        rules.accept("irqs.refusesVectorsBehindTheLast", IrqRules::vectors);
        rules.accept("irqs.refusesNoVectorsUnlessToDisable", IrqRules::noVectors);
        rules.accept("irqs.refusesToMaskWhatIsNotMaskable", IrqRules::maskable);
        rules.accept("irqs.refusesTooFewOrTooManyEventFds", IrqRules::eventFdCounts);
        rules.accept("irqs.refusesDescriptorsThatAreNoEventFds", IrqRules::noEventFds);
        rules.accept("irqs.refusesTooFewOrTooManyBools", IrqRules::boolCounts);
        rules.accept("irqs.legalCombinationsWorkOrSayENOTTY", IrqRules::legal);
        rules.accept("irqs.triggerSignalsTheEventFdOfItsVector", IrqRules::trigger);
        rules.accept("irqs.triggerByBoolsSignalsTheChosenVectors", IrqRules::triggerByBools);
        rules.accept("irqs.aNewEventFdTakesTheOldOnesPlace", IrqRules::reassign);
        rules.accept("irqs.aVectorWithoutEventFdSignalsNothing", IrqRules::deassign);
        rules.accept("irqs.aDisabledIndexSignalsNothing", IrqRules::disable);
        rules.accept("irqs.oneOfIntxMsiAndMsixAtATime", IrqRules::oneKind);
    }

    private static void indexIsChecked(DeviceUnderTest device) {
        for (int index : new int[] {device.file().info().numIrqs(), -1}) {
            expectErrno("set irqs of index " + index, () -> device.setIrqs(FIRE, index, 0, 0), EINVAL);
        }
    }

    private static void flags(DeviceUnderTest device) {
        for (VfioIrqInfo irq : device.irqs()) {
            for (int flags = 0; flags < ALL_FLAGS; flags++) {
                boolean legal = Integer.bitCount(flags & DATA) == 1
                        && Integer.bitCount(flags & ACTION) == 1
                        && (flags & ~(DATA | ACTION)) == 0;
                if (!legal) {
                    int wrong = flags;
                    expectErrno(
                            "index " + irq.index() + ", flags " + hex(wrong),
                            () -> device.setIrqs(wrong, irq.index(), 0, 1),
                            EINVAL);
                }
            }
        }
    }

    private static void vectors(DeviceUnderTest device) {
        for (VfioIrqInfo irq : device.irqs()) {
            int n = irq.count();
            int[][] ranges = {{n, 1}, {n - 1, 2}, {0, n + 1}, {n + 1, 1}, {0, -1}, {1, -1}, {-1, 1}, {-1, 2}};
            for (int[] range : ranges) {
                expectErrno(
                        "index " + irq.index() + " of " + n + " vectors, start " + range[0] + " count " + range[1],
                        () -> device.setIrqs(FIRE, irq.index(), range[0], range[1]),
                        EINVAL);
            }
        }
    }

    private static void noVectors(DeviceUnderTest device) {
        for (VfioIrqInfo irq : device.irqs()) {
            for (int flags = 0; flags < ALL_FLAGS; flags++) {
                if (flags != FIRE) {
                    int wrong = flags;
                    expectErrno(
                            "index " + irq.index() + ", no vectors, flags " + hex(wrong),
                            () -> device.setIrqs(wrong, irq.index(), 0, 0),
                            EINVAL);
                }
            }
            expectErrno(
                    "index " + irq.index() + ", no vectors from 1 on",
                    () -> device.setIrqs(FIRE, irq.index(), 1, 0),
                    EINVAL);
        }
    }

    private static void maskable(DeviceUnderTest device) {
        for (VfioIrqInfo irq : device.irqs()) {
            if ((irq.flags() & VFIO_IRQ_INFO_MASKABLE) == 0) {
                for (int action : new int[] {VFIO_IRQ_SET_ACTION_MASK, VFIO_IRQ_SET_ACTION_UNMASK}) {
                    expectErrno(
                            "index " + irq.index() + ", action " + hex(action),
                            () -> device.setIrqs(VFIO_IRQ_SET_DATA_NONE | action, irq.index(), 0, 1),
                            EINVAL,
                            ENOTTY);
                }
            }
        }
    }

    private static void eventFdCounts(DeviceUnderTest device) {
        for (VfioIrqInfo irq : device.irqs()) {
            try (Fd event = EventFd.create()) {
                expectErrno(
                        "index " + irq.index() + ": two eventfds for one vector",
                        () -> device.setIrqs(ASSIGN, irq.index(), 0, 1, event.dup(), event.dup()),
                        EINVAL);
                if (irq.count() > 2) {
                    expectErrno(
                            "index " + irq.index() + ": two eventfds for three vectors",
                            () -> device.setIrqs(ASSIGN, irq.index(), 0, 3, event.dup(), event.dup()),
                            EINVAL);
                }
                expectErrno(
                        "index " + irq.index() + ": an eventfd with DATA_NONE",
                        () -> device.setIrqs(FIRE, irq.index(), 0, 1, event.dup()),
                        EINVAL);
            }
        }
    }

    private static void noEventFds(DeviceUnderTest device) {
        for (VfioIrqInfo irq : device.irqs()) {
            expectErrno(
                    "index " + irq.index() + ": memory for an eventfd",
                    () -> device.setIrqs(ASSIGN, irq.index(), 0, 1, MemFd.create("no-eventfd", 4096)),
                    EINVAL);
        }
    }

    private static void boolCounts(DeviceUnderTest device) {
        int flags = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
        for (VfioIrqInfo irq : device.irqs()) {
            for (int bools : new int[] {0, 2}) {
                List<Boolean> data = Collections.nCopies(bools, true);
                expectErrno(
                        "index " + irq.index() + ": " + bools + " bools for one vector",
                        () -> device.file().setIrqs(VfioIrqSet.bools(flags, irq.index(), 0, 1, data)),
                        EINVAL);
            }
        }
    }

    private static void legal(DeviceUnderTest device) {
        for (VfioIrqInfo irq : device.irqs()) {
            for (int action : new int[] {ACTION & 0x8, ACTION & 0x10, ACTION & 0x20}) {
                for (int data : new int[] {1, 2, 4}) {
                    assign(device, irq.index());
                    int errno = errnoOf(() -> applyToFirst(device, irq.index(), data, action));
                    boolean mayRefuse = action != VFIO_IRQ_SET_ACTION_TRIGGER && (errno == ENOTTY || errno == EINVAL);
                    expect(
                            errno == 0 || mayRefuse,
                            "index " + irq.index() + ", data " + hex(data) + ", action " + hex(action)
                                    + ", vector 0 of an index that is enabled: refused with "
                                    + org.vfio4j.sys.Errno.name(errno));
                    device.disable(irq.index());
                }
            }
        }
    }

    private static void applyToFirst(DeviceUnderTest device, int index, int data, int action) {
        switch (data) {
            case VFIO_IRQ_SET_DATA_BOOL ->
                device.file().setIrqs(VfioIrqSet.bools(data | action, index, 0, 1, List.of(true)));
            case VFIO_IRQ_SET_DATA_EVENTFD -> device.setIrqs(data | action, index, 0, 1, EventFd.create());
            default -> device.setIrqs(data | action, index, 0, 1);
        }
    }

    private static void trigger(DeviceUnderTest device) {
        for (VfioIrqInfo irq : device.irqs()) {
            int last = irq.count() - 1;
            try (Fd first = EventFd.create();
                    Fd end = EventFd.create()) {
                device.setIrqs(ASSIGN, irq.index(), 0, 1, first.dup());
                if (last > 0) {
                    device.setIrqs(ASSIGN, irq.index(), last, 1, end.dup());
                }
                device.setIrqs(FIRE, irq.index(), 0, 1);
                expectSignal("index " + irq.index() + " vector 0 was triggered", first);
                if (last > 0) {
                    expectNoSignal("index " + irq.index() + " vector 0 was triggered, not " + last, end);
                    device.setIrqs(FIRE, irq.index(), last, 1);
                    expectSignal("index " + irq.index() + " vector " + last + " was triggered", end);
                }
                device.disable(irq.index());
            }
        }
    }

    private static void triggerByBools(DeviceUnderTest device) {
        int flags = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER;
        for (VfioIrqInfo irq : device.irqs()) {
            if (irq.count() < 2) {
                continue;
            }
            try (Fd first = EventFd.create();
                    Fd second = EventFd.create()) {
                device.setIrqs(ASSIGN, irq.index(), 0, 2, first.dup(), second.dup());
                device.file().setIrqs(VfioIrqSet.bools(flags, irq.index(), 0, 2, List.of(false, true)));
                expectSignal("index " + irq.index() + " vector 1 was chosen", second);
                expectNoSignal("index " + irq.index() + " vector 0 was not chosen", first);
                device.disable(irq.index());
            }
        }
    }

    private static void reassign(DeviceUnderTest device) {
        for (VfioIrqInfo irq : device.irqs()) {
            try (Fd old = EventFd.create();
                    Fd now = EventFd.create()) {
                device.setIrqs(ASSIGN, irq.index(), 0, 1, old.dup());
                device.setIrqs(ASSIGN, irq.index(), 0, 1, now.dup());
                device.setIrqs(FIRE, irq.index(), 0, 1);
                expectSignal("index " + irq.index() + " vector 0 got a new eventfd", now);
                expectNoSignal("index " + irq.index() + " vector 0 lost its old eventfd", old);
                device.disable(irq.index());
            }
        }
    }

    private static void deassign(DeviceUnderTest device) {
        for (VfioIrqInfo irq : device.irqs()) {
            try (Fd event = EventFd.create()) {
                device.setIrqs(ASSIGN, irq.index(), 0, 1, event.dup());
                device.setIrqs(ASSIGN, irq.index(), 0, 1);
                errnoOf(() -> device.setIrqs(FIRE, irq.index(), 0, 1));
                expectNoSignal("index " + irq.index() + " vector 0 has no eventfd any more", event);
                device.disable(irq.index());
            }
        }
    }

    private static void disable(DeviceUnderTest device) {
        for (VfioIrqInfo irq : device.irqs()) {
            try (Fd event = EventFd.create()) {
                device.setIrqs(ASSIGN, irq.index(), 0, 1, event.dup());
                device.disable(irq.index());
                errnoOf(() -> device.setIrqs(FIRE, irq.index(), 0, 1));
                expectNoSignal("index " + irq.index() + " is disabled", event);
            }
        }
    }

    private static void oneKind(DeviceUnderTest device) {
        List<VfioIrqInfo> kinds = device.irqs().stream()
                .filter(irq -> irq.index() <= VFIO_PCI_MSIX_IRQ_INDEX)
                .toList();
        device.applicable(kinds.size() > 1);
        for (VfioIrqInfo enabled : kinds) {
            assign(device, enabled.index());
            for (VfioIrqInfo other : kinds) {
                if (other.index() != enabled.index()) {
                    expectErrno(
                            "index " + other.index() + " while index " + enabled.index() + " is enabled",
                            () -> assign(device, other.index()),
                            EINVAL);
                }
            }
            device.disable(enabled.index());
        }
    }

    private static void assign(DeviceUnderTest device, int index) {
        device.setIrqs(ASSIGN, index, 0, 1, EventFd.create());
    }
}
