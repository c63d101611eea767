package org.vfio4j.vfiopcicore;

import java.util.Optional;
import java.util.UUID;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.vfio.VfioAdmission;

/**
 * What goes on around the uses of a device: who may open it, the power that it has meanwhile, and the options that it was probed
 * with.
 *
 * @param options as they were at probe
 * @param power of the function
 * @param own the token that a physical function has
 * @param physicals the token of the physical function that a virtual one belongs to, where VFIO has that
 */
record DeviceUse(VfioPciOptions options, IdlePower power, Optional<VfToken> own, Optional<VfToken> physicals)
        implements VfioAdmission {

    /** Of a function that is on no bus. */
    static DeviceUse of(PciFunction function) {
        return new DeviceUse(VfioPciOptions.DEFAULTS, new IdlePower(function), Optional.empty(), Optional.empty());
    }

    static DeviceUse of(PciDevice device) {
        return new DeviceUse(
                VfioPciOptions.of(device),
                new IdlePower(device.function()),
                device.sriov().map(sriov -> new VfToken()),
                device.physicalFunction()
                        .flatMap(physical -> physical.findDriverData(VfioPciRegistration.class))
                        .flatMap(VfioPciRegistration::vfToken));
    }

    @Override
    public void check(String deviceName, Optional<UUID> vfToken) {
        if (physicals.isPresent()) {
            physicals.get().checkVirtual(deviceName, vfToken);
        } else if (own.isPresent()) {
            own.get().checkPhysical(deviceName, vfToken);
        } else {
            WITHOUT_TOKEN.check(deviceName, vfToken);
        }
    }

    void begin() {
        power.hold();
        physicals.ifPresent(VfToken::addVirtualUser);
    }

    void end() {
        physicals.ifPresent(VfToken::removeVirtualUser);
        power.release();
    }
}
