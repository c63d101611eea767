package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

/**
 * The power management capability (PCI Power Management 1.2, 3.2): power states that the function has reach it; wake-up events
 * are hidden. A function with virtual functions stays in D0. Used by the user's thread.
 */
final class PowerManagement implements ConfigHook {

    private static final int D0 = 0;
    private static final int D3_HOT = 3;

    private final ConfigSpace config;
    private final HardwareState hardware;
    private final Decode decode;
    private final IdlePower power;
    private final int pos;

    PowerManagement(ConfigSpace config, HardwareState hardware, Decode decode, IdlePower power, int pos) {
        this.config = config;
        this.hardware = hardware;
        this.decode = decode;
        this.power = power;
        this.pos = pos;
    }

    void install() {
        config.hook(pos + PCI_PM_CTRL, this);
        config.set(pos + PCI_PM_PMC, 2, config.get(pos + PCI_PM_PMC, 2) & ~PCI_PM_CAP_PME_MASK);
        int pme = PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS;
        config.set(pos + PCI_PM_CTRL, 2, config.get(pos + PCI_PM_CTRL, 2) & ~pme);
    }

    @Override
    public void written(int offset, int width, int value) {
        if (offset == pos + PCI_PM_CTRL) {
            change(value & PCI_PM_CTRL_STATE_MASK);
        }
    }

    /** Brings the function into a power state, 0 to 3, unless it lacks it, is there already or must not leave D0. */
    void change(int state) {
        int old = config.hardware(pos + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK;
        if (state == old || !supports(state) || (state != D0 && !power.leaveD0())) {
            return;
        }
        if (state == D3_HOT) {
            hardware.save();
        }
        config.changeHardware(pos + PCI_PM_CTRL, 2, PCI_PM_CTRL_STATE_MASK, state);
        decode.sleep(state == D3_HOT);
        if (state == D0) {
            power.inD0();
        }
        boolean softReset = (config.hardware(pos + PCI_PM_CTRL, 2) & PCI_PM_CTRL_NO_SOFT_RESET) == 0;
        if (old == D3_HOT && state == D0 && softReset) {
            hardware.restore();
        }
    }

    private boolean supports(int state) {
        int capability = config.hardware(pos + PCI_PM_PMC, 2);
        return switch (state) {
            case 1 -> (capability & PCI_PM_CAP_D1) != 0;
            case 2 -> (capability & PCI_PM_CAP_D2) != 0;
            default -> true;
        };
    }
}
