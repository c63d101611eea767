package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciFunction;

/** All that vfio keeps of a function from open to close. Used by the user's thread. */
final class PciSession {

    private final PciFunction function;
    private final Runnable afterReset;
    private final BarAddresses addresses;
    private final ConfigSpace config;
    private final HardwareState hardware;
    private final Decode decode = new Decode();
    private final Interrupts interrupts;
    private final BarAccess bars;
    private final CommandRegister command;
    private final LowPower lowPower;
    private final IdlePower power;
    private final NotifyFds notifyFds;
    private long resets;

    /**
     * Resets the function and makes it ready: memory and I/O decoded, bus master off, interrupts off.
     *
     * @param additions what its configuration space has beyond its own
     * @param afterReset run after each reset but this one
     * @param power of the function, which somebody holds up
     * @param mayMaskIntx whether its INTx may be masked in its own registers
     */
    PciSession(
            PciFunction function,
            List<ConfigAddition> additions,
            Runnable afterReset,
            IdlePower power,
            boolean mayMaskIntx) {
        this.function = function;
        this.power = power;
        this.afterReset = afterReset;
        this.addresses = new BarAddresses(function);
        function.reset();
        addresses.restore();
        this.config = new ConfigSpace(function);
        int on = PCI_COMMAND_MEMORY | PCI_COMMAND_IO;
        config.changeHardware(PCI_COMMAND, 2, on | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE, on);
        config.load(0, PCI_STD_HEADER_SIZEOF);
        CapabilityPerms.header(config.perms());
        BarRegisters.install(config, function.bars(), function.romSizeBytes());
        CapabilityList caps = CapabilityList.walk(function, config);
        additions.forEach(addition -> addition.install(config, caps));
        this.hardware = new HardwareState(config, caps, addresses);
        IntxPin pin = new IntxPin(config, mayMaskIntx);
        this.interrupts = new Interrupts(function, config, caps, pin);
        MsixTable table = new MsixTable(config, interrupts.msixContext(), caps.position(PCI_CAP_ID_MSIX));
        this.bars = new BarAccess(function, decode, table);
        this.command = new CommandRegister(config, addresses, decode, interrupts.intxContext(), pin);
        command.install(function.bars());
        this.lowPower = new LowPower(function, interrupts, installCapabilities(caps));
        this.notifyFds = new NotifyFds(function);
        function.connectIrqs(interrupts);
    }

    ConfigSpace config() {
        return config;
    }

    BarAccess bars() {
        return bars;
    }

    CommandRegister command() {
        return command;
    }

    LowPower lowPower() {
        return lowPower;
    }

    NotifyFds notifyFds() {
        return notifyFds;
    }

    /** The space as the function reaches it. */
    DmaSpace dmaSpace(DmaSpace space) {
        return new MasterSpace(space, decode);
    }

    Interrupts interrupts() {
        return interrupts;
    }

    /** How often {@link #reset} was called. */
    long resets() {
        return resets;
    }

    /** Resets the function and gives it back what its user has set up. */
    void reset() {
        reset(function::reset);
    }

    /** The same, as far as it is over when a register's write must be. */
    private void initiateReset() {
        reset(function::initiateReset);
    }

    private void reset(Runnable reset) {
        resets++;
        hardware.save();
        reset.run();
        hardware.restore();
        decode.sleep(false);
        power.inD0();
        interrupts.afterReset();
        afterReset.run();
    }

    /** Resets the function and leaves nothing of its user. */
    void close() {
        try {
            notifyFds.close();
            lowPower.exit();
            function.reset();
        } finally {
            disconnect();
        }
    }

    // Also of a function that could not be reset: who has it next finds it in D0 and where it was.
    private void disconnect() {
        power.inD0();
        try {
            addresses.restore();
        } finally {
            interrupts.disableAll();
            function.connectIrqs(IrqSink.NONE);
        }
    }

    /** Returns the one that changes power states, if there is one. */
    private @Nullable PowerManagement installCapabilities(CapabilityList caps) {
        int pm = caps.position(PCI_CAP_ID_PM);
        PowerManagement states = null;
        if (pm != 0) {
            states = new PowerManagement(config, hardware, decode, power, pm);
            states.install();
        }
        int exp = caps.position(PCI_CAP_ID_EXP);
        if (exp != 0) {
            new ExpressControl(config, this::initiateReset, exp).install();
        }
        int af = caps.position(PCI_CAP_ID_AF);
        if (af != 0) {
            new AdvancedFeatures(config, this::initiateReset, af).install();
        }
        int msi = caps.position(PCI_CAP_ID_MSI);
        if (msi != 0) {
            new MsiControl(config, interrupts.msiContext(), msi).install();
        }
        int msix = caps.position(PCI_CAP_ID_MSIX);
        if (msix != 0) {
            new MsixControl(config, interrupts.msixContext(), msix).install();
        }
        return states;
    }
}
