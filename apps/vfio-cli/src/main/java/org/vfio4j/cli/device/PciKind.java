package org.vfio4j.cli.device;

import static org.vfio4j.sys.Errno.EBUSY;

import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfiolinux.HostObstacle;
import org.vfio4j.vfiolinux.HostPci;
import org.vfio4j.vfiolinux.LinuxPciFunction;
import org.vfio4j.vfiolinux.LinuxVfioDevice;

/** A function of this machine, which the kernel's vfio-pci has: hardware, served as what is emulated is. */
final class PciKind implements DeviceKind {

    static final String NAME = "pci";
    private static final List<String> KEYS = List.of("host", "mappable");
    private static final String EXAMPLE = "vfio serve pci host=0000:03:00.0 --socket-path /tmp/pci.sock";

    private final Function<PciAddress, VfioDeviceFile> opener;

    PciKind() {
        this(LinuxVfioDevice::open);
    }

    /** @param opener opens a function of this machine */
    PciKind(Function<PciAddress, VfioDeviceFile> opener) {
        this.opener = opener;
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public List<String> help() {
        return List.of(
                "host=ADDRESS     a function of this machine, which vfio-pci has:",
                "                 vfio host bind ADDRESS",
                "mappable         clients map its registers: only for those who",
                "                 may do to the device what this process may");
    }

    @Override
    public DevicePlan plan(List<Setting> settings) {
        Optional<PciAddress> host = Optional.empty();
        boolean mappable = false;
        for (Setting setting : settings) {
            switch (setting.key()) {
                case "host" -> host = Optional.of(address(setting));
                case "mappable" -> mappable = setting.isOn();
                default -> throw setting.unknown(NAME, KEYS);
            }
        }
        return new Plan(
                host.orElseThrow(
                        () -> CliException.usage("pci without host: which function of this machine?", EXAMPLE)),
                mappable);
    }

    private static PciAddress address(Setting setting) {
        setting.needValue(EXAMPLE);
        try {
            return PciAddress.parse(setting.value());
        } catch (IllegalArgumentException e) {
            throw CliException.usage(String.valueOf(e.getMessage()), "vfio host ls");
        }
    }

    private final class Plan implements DevicePlan {

        private final PciAddress host;
        private final boolean mappable;

        Plan(PciAddress host, boolean mappable) {
            this.host = host;
            this.mappable = mappable;
        }

        @Override
        public EmulatedDevice open(PciAddress address) {
            try {
                LinuxPciFunction function = new LinuxPciFunction(host.toString(), opener.apply(host), mappable);
                String says = "hardware, " + host + " of this machine";
                return new EmulatedDevice(NAME, says, function, List.of(function));
            } catch (ErrnoException e) {
                throw new CliException(e, hint(e));
            }
        }

        /** Drivers that know such a device better expect the firmware of the emulated ones behind it. */
        @Override
        public Optional<String> driver() {
            return Optional.of("vfio-pci");
        }

        private String hint(ErrnoException failure) {
            if (failure.errno() == EBUSY) {
                return "end the process that has it: fuser -v /dev/vfio/*";
            }
            try {
                HostPci machine = HostPci.ofThisMachine();
                return machine.obstacle(machine.function(host))
                        .filter(obstacle -> obstacle.kind() == HostObstacle.Kind.DRIVER)
                        .map(obstacle -> "vfio host bind " + host)
                        .orElse("vfio host show " + host);
            } catch (ErrnoException e) {
                return "vfio host ls";
            }
        }
    }
}
