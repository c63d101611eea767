package org.vfio4j.cli.host;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.EPERM;

import java.util.Optional;
import java.util.stream.Collectors;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiolinux.HostFunction;
import org.vfio4j.vfiolinux.HostObstacle;
import org.vfio4j.vfiolinux.HostPci;

/** What to do so that a function of the machine can be used. Stateless. */
public final class HostAdvice {

    static final String LOAD = "modprobe vfio-pci";

    private HostAdvice() {}

    /** How to get an obstacle out of the way; empty for one that stays. */
    static String remove(HostPci host, HostFunction function, HostObstacle obstacle) {
        return switch (obstacle.kind()) {
            case BRIDGE -> "";
            case NO_IOMMU -> "switch the IOMMU on: intel_iommu=on for the kernel, VT-d or AMD-Vi in the firmware";
            case DRIVER -> "vfio host bind " + function.address();
            case GROUP -> "vfio host bind " + others(host, function);
            case NO_VFIO -> LOAD;
            case PERMISSION ->
                "sudo, or: chown $USER /dev/vfio/" + function.iommuGroup().orElse(0);
        };
    }

    /** Those of a function's group that have to be bound too. */
    private static String others(HostPci host, HostFunction function) {
        return host.inTheWay(function).stream()
                .filter(other -> !other.bridge())
                .map(other -> other.address().toString())
                .collect(Collectors.joining(" "));
    }

    /** What to try when a function could not be opened; empty when nothing that can be seen was in the way. */
    public static Optional<String> open(HostPci host, PciAddress address, ErrnoException failure) {
        if (failure.errno() == EBUSY) {
            return Optional.of("end the process that has it: fuser -v /dev/vfio/*");
        }
        try {
            HostFunction function = host.function(address);
            return host.obstacle(function)
                    .map(obstacle -> remove(host, function, obstacle))
                    .filter(advice -> !advice.isEmpty());
        } catch (ErrnoException e) {
            return Optional.of("vfio host ls");
        }
    }

    /**
     * What to try when a function could not be bound or given back.
     *
     * @param command with all of its words
     */
    static String change(String command, String address, ErrnoException failure, boolean loaded) {
        return switch (failure.errno()) {
            case EBUSY -> "vfio host show " + address + ", and free it";
            case EACCES, EPERM -> "sudo " + command + " " + address;
            case EIO -> "dmesg | tail";
            default -> loaded ? "vfio host ls" : LOAD;
        };
    }
}
