package org.vfio4j.cli.control;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.Emulation;
import org.vfio4j.cli.device.Setting;
import org.vfio4j.cli.device.SriovPlan;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.sys.ErrnoException;

/**
 * A request for a DPU to emulate a function more or less.
 *
 * @param kind {@link #CREATE} or {@link #DELETE}
 * @param address the network function's, or of the function that is to go
 * @param device for CREATE: {@code virtio-blk} or {@code nvme}
 * @param settings for CREATE: each {@code key=value}, and a {@link SriovPlan#SETTING} for each virtual function; paths are absolute
 * @param at for CREATE: its place, empty for the first that is free beside the network function
 * @param driver for CREATE: its VFIO driver, empty for the one that its auxiliary device gets
 * @param socket for CREATE: where it is served, empty for nowhere
 * @param timeoutMs for DELETE: how long to wait for its user
 */
public record SnapRequest(
        String kind,
        String address,
        String device,
        List<String> settings,
        String at,
        String driver,
        String socket,
        long timeoutMs)
        implements Request {

    static final String CREATE = "SnapCreate";
    static final String DELETE = "SnapDelete";

    static final RequestForm<SnapRequest> FORM = RequestForm.needingAll(SnapRequest.class, CREATE, DELETE);

    public SnapRequest {
        Request.checkTimeout(timeoutMs);
    }

    public static SnapRequest create(
            String by, String device, List<String> settings, String at, String driver, String socket) {
        return new SnapRequest(CREATE, by, device, settings, at, driver, socket, 0);
    }

    public static SnapRequest delete(String address, long timeoutMs) {
        return new SnapRequest(DELETE, address, "", List.of(), "", "", "", timeoutMs);
    }

    @Override
    public Duration timeout() {
        return Duration.ofMillis(timeoutMs);
    }

    /**
     * Does it.
     *
     * @return what there is now, or was
     * @throws CliException with advice, and {@link ErrnoException}
     */
    public ServerState.Function perform(Machine machine) {
        if (kind.equals(DELETE)) {
            MachineFunction function = machine.function(parse(address));
            ServerState.Function was = function.state();
            machine.delete(function, timeout());
            return was;
        }
        return machine.emulate(new Emulation(
                        parse(address),
                        Optional.of(at).filter(text -> !text.isEmpty()).map(SnapRequest::parse),
                        SriovPlan.of(
                                new DeviceKinds(),
                                device,
                                settings.stream().map(Setting::of).toList()),
                        Optional.of(driver).filter(text -> !text.isEmpty()),
                        Optional.of(socket).filter(text -> !text.isEmpty()).map(Path::of),
                        Stream.concat(Stream.of(device), settings.stream()).toList()))
                .state();
    }

    private static PciAddress parse(String address) {
        try {
            return PciAddress.parse(address);
        } catch (IllegalArgumentException e) {
            throw new ErrnoException(EINVAL, String.valueOf(e.getMessage()));
        }
    }

    @Override
    public String line() {
        return FORM.line(this, Set.of());
    }
}
