package org.vfio4j.cli.machine;

import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.BusDevice;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciSriov;
import org.vfio4j.cli.device.EmulatedDevice;
import org.vfio4j.cli.state.FunctionStatistics;
import org.vfio4j.cli.state.Inspection;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.devicemodel.DeviceStatistics;
import org.vfio4j.devicemodel.QueueSnapshot;
import org.vfio4j.vfio.VfioDevice;

/**
 * What a function is and has done, for other processes. Any thread asks.
 *
 * @param emulatedBy which function of a DPU it is behind
 */
record FunctionReport(
        EmulatedDevice emulated,
        PciDevice device,
        FunctionDriver driver,
        FunctionService service,
        Optional<PciAddress> emulatedBy) {

    ServerState.Function state() {
        Inspection seen = service.inspection();
        return new ServerState.Function(
                device.toString(),
                MachineState.id(device),
                emulated.kind(),
                emulated.description(),
                driver.name().orElse(""),
                vfioDevice(),
                socket(),
                device.driverOverride().orElse(""),
                driver.candidates(),
                seen.regions(),
                seen.irqs(),
                seen.features(),
                seen.migration(),
                device.parent().map(BusDevice::name).orElse(""),
                driver.part().map(AuxiliaryDevice::name).orElse(""),
                service.serving(),
                service.migrationState(),
                emulatedBy.map(PciAddress::toString).orElse(""),
                device.physicalFunction().map(PciDevice::toString).orElse(""),
                device.sriov().map(PciSriov::numVfs).orElse(0),
                device.sriov().map(PciSriov::totalVfs).orElse(0));
    }

    /** Empty for a kind that does not count. */
    Optional<FunctionStatistics> statistics(boolean queues) {
        return device.function().platform(DeviceStatistics.class).map(counted -> {
            List<QueueSnapshot> each = counted.queues();
            return new FunctionStatistics(
                    device.toString(),
                    emulated.kind(),
                    emulated.description(),
                    vfioDevice(),
                    socket(),
                    counted.cpuNs(),
                    counted.slowNs(),
                    QueueSnapshot.sum(each),
                    queues ? each : List.of());
        });
    }

    private String vfioDevice() {
        return service.vfio().map(VfioDevice::name).orElse("");
    }

    private String socket() {
        return service.endpoint().map(Endpoint::socket).orElse("");
    }
}
