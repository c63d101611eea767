package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

import java.util.BitSet;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.PciFunction;

/**
 * The power state of a function while no user has it: D3hot, unless virtual functions depend on it or {@code disable_idle_d3} is
 * set (PCI Power Management 1.2, 5); and whether its user may take it out of D0 meanwhile, which he may not while it has virtual
 * functions, as vfio_pci_set_power_state has it. What it loses on the way back to D0 it gets back. Users come and go by their threads, virtual
 * functions by others: the lock keeps them apart, and nobody else touches the function while nobody holds it up.
 */
final class IdlePower {

    private static final int D3_HOT = 3;

    private final PciFunction function;
    private final int control;

    // All guarded by this.
    private boolean sleepy;
    private int holders;
    private boolean hasVirtuals;
    private boolean userLeftD0;
    private @Nullable BarAddresses lost;

    IdlePower(PciFunction function) {
        this.function = function;
        int capability = capability(function);
        this.control = capability == 0 ? 0 : capability + PCI_PM_CTRL;
    }

    /** From now on it sleeps while nobody holds it up. */
    synchronized void start() {
        sleepy = true;
        update();
    }

    /** From now on it stays awake. */
    synchronized void stop() {
        sleepy = false;
        update();
    }

    /** Somebody needs it awake, until the matching {@link #release}. */
    synchronized void hold() {
        holders++;
        update();
    }

    synchronized void release() {
        holders--;
        update();
    }

    /**
     * Virtual functions are about to come, for which it has to be in D0 until {@link #releaseForVirtuals}.
     *
     * @return false when its user has it in another state
     */
    synchronized boolean holdForVirtuals() {
        if (userLeftD0) {
            return false;
        }
        hasVirtuals = true;
        hold();
        return true;
    }

    synchronized void releaseForVirtuals() {
        hasVirtuals = false;
        release();
    }

    /** The user takes the function out of D0. Returns false when he must not. */
    synchronized boolean leaveD0() {
        userLeftD0 = !hasVirtuals;
        return userLeftD0;
    }

    /** The user's function is in D0 again. */
    synchronized void inD0() {
        userLeftD0 = false;
    }

    private void update() {
        boolean sleep = sleepy && holders == 0;
        if (control == 0 || sleep == (lost != null)) {
            return;
        }
        if (sleep) {
            lost = new BarAddresses(function);
            setState(D3_HOT);
        } else {
            setState(0);
            // Whether or not it has No_Soft_Reset, which then changes nothing.
            if (lost != null) {
                lost.restore();
            }
            lost = null;
        }
    }

    private void setState(int state) {
        int old = function.configRead(control, 2);
        function.configWrite(control, 2, (old & ~(PCI_PM_CTRL_STATE_MASK | PCI_PM_CTRL_PME_STATUS)) | state);
    }

    private static int capability(PciFunction function) {
        if ((function.configRead(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) == 0) {
            return 0;
        }
        BitSet seen = new BitSet();
        int at = function.configRead(PCI_CAPABILITY_LIST, 1) & ~3;
        while (at >= PCI_STD_HEADER_SIZEOF && !seen.get(at)) {
            if (function.configRead(at + PCI_CAP_LIST_ID, 1) == PCI_CAP_ID_PM) {
                return at;
            }
            seen.set(at);
            at = function.configRead(at + PCI_CAP_LIST_NEXT, 1) & ~3;
        }
        return 0;
    }
}
