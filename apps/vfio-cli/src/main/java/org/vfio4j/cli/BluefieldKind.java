package org.vfio4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;

/** A BlueField DPU: its network functions, behind which it emulates others. */
final class BluefieldKind implements DeviceKind {

    static final String NAME = "bluefield";

    private static final String PORTS = "ports";
    private static final int FUNCTIONS_OF_A_SLOT = 8;

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public List<String> help() {
        return List.of(
                "ports=N          network functions, 1 or 2 (default 2); it has",
                "                 no socket, but what it emulates:",
                "                 see --emulated-by");
    }

    @Override
    public DevicePlan plan(List<Setting> settings) {
        int ports = Bluefield.NETWORK_FUNCTIONS;
        for (Setting setting : settings) {
            if (!setting.key().equals(PORTS)) {
                throw setting.unknown(NAME, List.of(PORTS));
            }
            ports = setting.number(1, Bluefield.NETWORK_FUNCTIONS);
        }
        return new Plan(ports);
    }

    /** @param ports how many network functions it has */
    private record Plan(int ports) implements DevicePlan {

        @Override
        public EmulatedDevice open(PciAddress address) {
            throw new UnsupportedOperationException("a DPU needs a bus for what it emulates");
        }

        @Override
        public List<Placed> openAll(PciAddress address, PciBus bus) {
            Bluefield dpu = new Bluefield(bus, ports);
            List<Placed> functions = new ArrayList<>();
            List<PciAddress> places = places(address);
            for (int i = 0; i < ports; i++) {
                EmulatedDevice function = new EmulatedDevice(
                        NAME,
                        String.format(Locale.ROOT, "network function %d of a BlueField-2", i),
                        dpu.networkFunction(i),
                        i == 0 ? List.of(dpu) : List.of(),
                        new NetworkFunctionTuning(new SnapPort(dpu, i)));
                functions.add(new Placed.Function(places.get(i), function, Placed.Use.NATIVE, Optional.empty()));
            }
            return functions;
        }

        @Override
        public List<PciAddress> places(PciAddress address) {
            List<PciAddress> places = new ArrayList<>();
            for (int i = 0; i < ports; i++) {
                int function = address.function() + i;
                if (function >= FUNCTIONS_OF_A_SLOT) {
                    throw CliException.usage(
                            "address " + address + ": a DPU with " + ports + " network functions needs as many there",
                            address.toString().replaceFirst(".$", "0"));
                }
                places.add(new PciAddress(address.domain(), address.bus(), address.device(), function));
            }
            return places;
        }

        @Override
        public boolean namesItsSockets() {
            return true;
        }

        @Override
        public boolean emulates() {
            return true;
        }
    }
}
