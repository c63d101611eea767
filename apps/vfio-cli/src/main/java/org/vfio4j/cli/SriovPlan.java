package org.vfio4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.SriovRole;
import org.vfio4j.mlx5.SnapFunction;

/**
 * A device with virtual functions, which appear on the bus right behind it when they are turned on.
 *
 * @param physical the device itself
 * @param parts its virtual functions, of the same kind
 */
record SriovPlan(DevicePlan physical, List<Part> parts) implements DevicePlan {

    private static final int FUNCTIONS_OF_A_SLOT = 8;

    /**
     * One virtual function.
     *
     * @param socket where it is served while it is on; empty for nowhere
     */
    record Part(DevicePlan plan, Optional<Path> socket) {}

    SriovPlan {
        parts = List.copyOf(parts);
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
