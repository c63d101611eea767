package org.vfio4j.cli.device;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.devicemodel.SriovRole;
import org.vfio4j.mlx5.SnapFunction;

/**
 * A device with virtual functions, which appear on the bus right behind it when they are turned on.
 *
 * @param physical the device itself
 * @param parts its virtual functions, of the same kind
 */
public record SriovPlan(DevicePlan physical, List<Part> parts) implements DevicePlan {

    /** The key of a setting that is a virtual function: its own settings, with commas between, among them {@link #SOCKET}. */
    public static final String SETTING = "virtual-function";

    /** The key of where a virtual function is served. */
    public static final String SOCKET = "socket-path";

    private static final int FUNCTIONS_OF_A_SLOT = 8;

    /**
     * One virtual function.
     *
     * @param socket where it is served while it is on; empty for nowhere
     */
    public record Part(DevicePlan plan, Optional<Path> socket) {}

    public SriovPlan {
        parts = List.copyOf(parts);
    }

    /**
     * A device by its settings, which has a virtual function for each {@link #SETTING} among them.
     *
     * @throws CliException as {@link DeviceKinds#plan(String, List)}, also for the settings of a virtual function
     */
    public static DevicePlan of(DeviceKinds kinds, String device, List<Setting> settings) {
        List<Setting> own = new ArrayList<>();
        List<Part> parts = new ArrayList<>();
        for (Setting setting : settings) {
            if (setting.key().equals(SETTING)) {
                parts.add(part(kinds, device, setting.value(), parts.size()));
            } else {
                own.add(setting);
            }
        }
        checkSockets(parts);
        DevicePlan alone = kinds.plan(device, own);
        return parts.isEmpty() ? alone : new SriovPlan(alone, parts);
    }

    private static Part part(DeviceKinds kinds, String device, String text, int index) {
        Map<Boolean, List<Setting>> settings = Setting.parse(List.of(text)).stream()
                .collect(Collectors.partitioningBy(setting -> setting.key().equals(SOCKET)));
        List<Setting> sockets = settings.getOrDefault(true, List.of());
        try {
            sockets.forEach(socket -> socket.needValue(SOCKET + "=/tmp/vf.sock"));
            if (sockets.size() > 1) {
                throw CliException.usage(
                        sockets.getLast() + ": it has one socket",
                        sockets.getFirst().toString());
            }
            DevicePlan plan = kinds.plan(device, settings.getOrDefault(false, List.of()));
            return new Part(plan, sockets.stream().findFirst().map(socket -> Path.of(socket.value())));
        } catch (CliException e) {
            throw new CliException(e.exitCode(), "virtual function " + index + ": " + e.getMessage(), e.hint());
        }
    }

    private static void checkSockets(List<Part> parts) {
        List<Path> sockets =
                parts.stream().flatMap(part -> part.socket().stream()).toList();
        for (int i = 0; i < sockets.size(); i++) {
            if (sockets.indexOf(sockets.get(i)) < i) {
                throw CliException.usage(
                        SOCKET + "=" + sockets.get(i) + ": another virtual function is served there",
                        "a " + SOCKET + " for each");
            }
        }
    }

    @Override
    public EmulatedDevice open(PciAddress address) {
        List<EmulatedDevice.Virtual> made = new ArrayList<>();
        try {
            for (Part part : parts) {
                PciAddress place = place(address, made.size() + 1);
                EmulatedDevice virtual = part.plan().open(place, SriovRole.VIRTUAL);
                made.add(new EmulatedDevice.Virtual(place, virtual, part.socket()));
            }
            List<PciFunction> functions =
                    made.stream().map(each -> each.device().function()).toList();
            checkAlike(functions);
            return physical.open(address, SriovRole.physical(functions)).withVirtuals(made);
        } catch (RuntimeException e) {
            made.forEach(each -> each.device().close());
            throw e;
        }
    }

    @Override
    public List<PciAddress> places(PciAddress address) {
        List<PciAddress> places = new ArrayList<>(List.of(address));
        for (int i = 1; i <= parts.size(); i++) {
            places.add(place(address, i));
        }
        return places;
    }

    @Override
    public Optional<SnapFunction.Protocol> snapProtocol() {
        return physical.snapProtocol();
    }

    /** Where the routing id {@code offset} behind another is: one slot holds {@value #FUNCTIONS_OF_A_SLOT}. */
    static PciAddress place(PciAddress from, int offset) {
        int id = from.device() * FUNCTIONS_OF_A_SLOT + from.function() + offset;
        try {
            return new PciAddress(from.domain(), from.bus(), id / FUNCTIONS_OF_A_SLOT, id % FUNCTIONS_OF_A_SLOT);
        } catch (IllegalArgumentException e) {
            throw CliException.usage(
                    "virtual function " + (offset - 1) + " of " + from + ": its bus ends before it", "fewer of them");
        }
    }

    private static void checkAlike(List<PciFunction> functions) {
        List<PciBar> first = functions.getFirst().bars();
        for (int i = 1; i < functions.size(); i++) {
            if (!functions.get(i).bars().equals(first)) {
                throw CliException.usage(
                        "virtual function " + i + " has other BARs than number 0", "queues= alike for all of them");
            }
        }
    }
}
