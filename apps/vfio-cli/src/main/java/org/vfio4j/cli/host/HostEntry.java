package org.vfio4j.cli.host;

import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.vfiolinux.HostFunction;
import org.vfio4j.vfiolinux.HostObstacle;
import org.vfio4j.vfiolinux.HostPci;

/**
 * A function of the machine as it is printed.
 *
 * @param address as {@code 0000:01:00.0}
 * @param id vendor and device, as {@code 8086:10c9}
 * @param subsystem vendor's and device's
 * @param pciClass six digits
 * @param what its class in words
 * @param driver empty for none
 * @param group number of its IOMMU group, -1 for none
 * @param groupMembers the others in it
 * @param driverOverride empty for none
 * @param vfioDevice as {@code vfio0}, empty for none
 * @param resettable whether the kernel can reset it alone
 * @param usable whether it can be opened
 * @param obstacle the kind of what is in the way, empty when nothing is
 * @param why the same in words
 * @param advice what to do about it
 * @param uses what this machine does with it
 */
record HostEntry(
        String address,
        String id,
        String subsystem,
        String pciClass,
        String what,
        String driver,
        int group,
        List<String> groupMembers,
        String driverOverride,
        String vfioDevice,
        boolean resettable,
        boolean usable,
        String obstacle,
        String why,
        String advice,
        List<String> uses) {

    static HostEntry of(HostPci host, HostFunction function) {
        Optional<HostObstacle> obstacle = host.obstacle(function);
        return new HostEntry(
                function.address().toString(),
                id(function.vendor(), function.device()),
                id(function.subsystemVendor(), function.subsystemDevice()),
                String.format(Locale.ROOT, "%06x", function.pciClass()),
                PciClasses.words(function.pciClass()),
                function.driver(),
                function.iommuGroup().orElse(-1),
                function.groupMembers().stream().map(PciAddress::toString).toList(),
                function.driverOverride(),
                function.vfioDevice(),
                function.resettable(),
                obstacle.isEmpty(),
                obstacle.map(found -> word(found.kind())).orElse(""),
                obstacle.map(HostObstacle::what).orElse(""),
                obstacle.map(found -> HostAdvice.remove(host, function, found)).orElse(""),
                host.uses(function.address()));
    }

    boolean stoppedBy(HostObstacle.Kind kind) {
        return obstacle.equals(word(kind));
    }

    private static String word(HostObstacle.Kind kind) {
        return kind.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static String id(int vendor, int device) {
        return String.format(Locale.ROOT, "%04x:%04x", vendor, device);
    }
}
