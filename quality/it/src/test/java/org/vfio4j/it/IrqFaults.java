package org.vfio4j.it;

import static org.vfio4j.it.BrokenDevice.swallowing;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.uapi.Vfio.*;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.vfio4j.it.BrokenDevice.Call;
import org.vfio4j.it.BrokenDevice.Fault;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioIrqSet;

/** What a device can do wrong with SET_IRQS, under the names of the rules that it breaks. */
final class IrqFaults {

    private static final int MSIX = VFIO_PCI_MSIX_IRQ_INDEX;
    private static final int REQ = VFIO_PCI_REQ_IRQ_INDEX;
    private static final int ASSIGN = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    private static final int FIRE = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;

    private final Map<String, Supplier<Fault>> faults;

    IrqFaults(Map<String, Supplier<Fault>> faults) {
        this.faults = faults;
    }

    void add() {
        refusals();
        signals();
    }

    private void stateless(String rule, Fault fault) {
        faults.put(rule, () -> fault);
    }

    private void refusals() {
        irqs("irqs.refusesIndicesThatAreNotThere", set -> set.index() == 5);
        irqs("irqs.refusesFlagsThatAreNotOneDataAndOneAction", set -> set.flags() > 0x40 && set.count() == 1);
        irqs("irqs.refusesVectorsBehindTheLast", set -> set.start() == 2 && set.index() == REQ);
        irqs("irqs.refusesNoVectorsUnlessToDisable", set -> set.start() == 1 && set.count() == 0);
        irqs(
                "irqs.refusesToMaskWhatIsNotMaskable",
                set -> set.flags() == (VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK)
                        && set.index() == REQ
                        && set.count() == 1);
        irqs(
                "irqs.refusesTooFewOrTooManyEventFds",
                set -> set.count() == 1 && set.eventFds().size() == 2);
        irqs(
                "irqs.refusesDescriptorsThatAreNoEventFds",
                set -> set.eventFds().stream().anyMatch(fd -> !EventFd.isEventFd(fd)));
        irqs(
                "irqs.refusesTooFewOrTooManyBools",
                set -> (set.flags() & VFIO_IRQ_SET_DATA_BOOL) != 0
                        && set.flags() < 0x40
                        && Integer.bitCount(set.flags()) == 2
                        && set.count() == 1
                        && set.bools().size() == 2);
        stateless("irqs.legalCombinationsWorkOrSayENOTTY", call -> {
            if (call.is("setIrqs")
                    && call.irqs().flags() == 9
                    && call.irqs().count() == 1
                    && call.irqs().index() == 0) {
                throw new ErrnoException(EIO, "mask INTx");
            }
            return call.proceed();
        });
    }

    private void signals() {
        stateless("irqs.triggerSignalsTheEventFdOfItsVector", call -> {
            boolean lastFires = call.is("setIrqs")
                    && call.irqs().flags() == FIRE
                    && call.irqs().start() == 1
                    && call.irqs().count() == 1
                    && call.irqs().index() == MSIX;
            return (lastFires ? call.with(0, VfioIrqSet.none(FIRE, MSIX, 0, 1)) : call).proceed();
        });
        stateless("irqs.triggerByBoolsSignalsTheChosenVectors", call -> {
            boolean chooses = call.is("setIrqs") && call.irqs().bools().equals(List.of(false, true));
            return (chooses ? call.with(0, VfioIrqSet.none(FIRE, call.irqs().index(), 0, 2)) : call).proceed();
        });
        faults.put("irqs.aNewEventFdTakesTheOldOnesPlace", () -> {
            Set<Integer> assigned = new HashSet<>();
            return swallowing(
                    "setIrqs",
                    call -> keepsOld(call.irqs(), assigned),
                    call -> call.irqs().closeEventFds());
        });
        irqs(
                "irqs.aVectorWithoutEventFdSignalsNothing",
                set -> set.flags() == ASSIGN && set.eventFds().isEmpty() && set.start() == 0 && set.count() == 1);
        faults.put("irqs.aDisabledIndexSignalsNothing", () -> {
            Map<String, Fd> kept = new HashMap<>();
            return call -> {
                if (call.is("setIrqs") && call.irqs().index() == REQ) {
                    return firesWhenDisabled(call, kept);
                }
                if (call.is("close")) {
                    kept.values().forEach(Fd::close);
                }
                return call.proceed();
            };
        });
        stateless("irqs.oneOfIntxMsiAndMsixAtATime", call -> {
            try {
                return call.proceed();
            } catch (ErrnoException e) {
                boolean assigns = call.is("setIrqs")
                        && call.irqs().flags() == ASSIGN
                        && call.irqs().index() == MSIX
                        && call.irqs().count() == 1
                        && call.irqs().start() == 0
                        && call.irqs().eventFds().size() == 1
                        && !e.getMessage().contains("descriptor");
                if (assigns) {
                    return null;
                }
                throw e;
            }
        });
    }

    /** Irq sets that are taken for right, and do nothing. */
    private void irqs(String rule, java.util.function.Predicate<VfioIrqSet> accepted) {
        stateless(
                rule,
                swallowing(
                        "setIrqs",
                        call -> accepted.test(call.irqs()),
                        call -> call.irqs().closeEventFds()));
    }

    private static boolean keepsOld(VfioIrqSet set, Set<Integer> assigned) {
        if (set.count() == 0) {
            assigned.clear();
            return false;
        }
        boolean assigns = set.flags() == ASSIGN
                && set.count() == 1
                && set.eventFds().size() == 1
                && set.index() == REQ
                && EventFd.isEventFd(set.eventFds().getFirst());
        return assigns && !assigned.add(set.start());
    }

    private static Object firesWhenDisabled(Call call, Map<String, Fd> kept) throws Throwable {
        VfioIrqSet set = call.irqs();
        if (set.flags() == ASSIGN && set.eventFds().size() == 1) {
            Fd old = kept.put("assigned", set.eventFds().getFirst().dup());
            if (old != null) {
                old.close();
            }
        } else if (set.flags() == FIRE && set.count() == 0 && kept.containsKey("assigned")) {
            kept.put("disabled", kept.remove("assigned"));
        } else if (set.flags() == FIRE && kept.containsKey("disabled")) {
            EventFd.signal(kept.get("disabled").value());
        }
        return call.proceed();
    }
}
