package org.vfio4j.cli.device;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bluefield.SfOptions;
import org.vfio4j.bluefield.SfStorage;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.Sizes;
import org.vfio4j.mlx5.SfCaps;

/** A BlueField DPU: its network functions, behind which it emulates others. */
public final class BluefieldKind implements DeviceKind {

    static final String NAME = "bluefield";

    private static final List<String> KEYS = List.of("ports", "sfs", "sf-queues", "sf-size", "sf-storage");
    private static final int FUNCTIONS_OF_A_SLOT = 8;

    /** More would leave none of the 16 bits of a VHCA's id for others. */
    private static final int MAX_SFS = 1 << 14;

    private static final int QUEUES_FOR_EACH_SF = 4;
    private static final long BYTES_FOR_EACH_SF = 64L << 20;

    private final Storage opener;

    public BluefieldKind() {
        this(Storage.ANEW);
    }

    /** @param opener where the disks of scalable functions get what they stand on */
    public BluefieldKind(Storage opener) {
        this.opener = opener;
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public List<String> help() {
        return List.of(
                "ports=N          network functions, 1 or 2 (default 2); it has",
                "                 no socket, but what it emulates:",
                "                 see --emulated-by",
                "sfs=N            scalable functions of each, made by",
                "                 vfio mdev start (default 0)",
                "sf-queues=N      queues of these together (default 4 each)",
                "sf-size=SIZE     their disks together (default 64M each)",
                "sf-storage=WHAT  of these: memory (default), null, or a",
                "                 directory of files UUID.img");
    }

    @Override
    public DevicePlan plan(List<Setting> settings) {
        int ports = Bluefield.NETWORK_FUNCTIONS;
        int sfs = 0;
        OptionalInt queues = OptionalInt.empty();
        OptionalLong bytes = OptionalLong.empty();
        SfStorage storage = opener::memory;
        for (Setting setting : settings) {
            switch (setting.key()) {
                case "ports" -> ports = setting.number(1, Bluefield.NETWORK_FUNCTIONS);
                case "sfs" -> sfs = setting.number(0, MAX_SFS);
                case "sf-queues" -> queues = OptionalInt.of(setting.number(1, Integer.MAX_VALUE));
                case "sf-size" -> bytes = OptionalLong.of(Sizes.parse(setting.key(), setting.value()));
                case "sf-storage" -> storage = storage(setting);
                default -> throw setting.unknown(NAME, KEYS);
            }
        }
        SfCaps caps = new SfCaps(sfs, queues.orElse(sfs * QUEUES_FOR_EACH_SF), bytes.orElse(sfs * BYTES_FOR_EACH_SF));
        return new Plan(ports, new SfOptions(caps, storage));
    }

    private SfStorage storage(Setting setting) {
        return switch (setting.value()) {
            case "memory" -> opener::memory;
            case "null" -> SfStorage.NULL;
            default -> {
                Path directory = Path.of(setting.value());
                if (!Files.isDirectory(directory)) {
                    throw CliException.usage(
                            setting + ": expected memory, null, or a directory that is there",
                            "mkdir -p " + setting.value());
                }
                yield SfStorage.in(directory);
            }
        };
    }

    /**
     * @param ports how many network functions it has
     * @param sf what each of them has for scalable functions
     */
    private record Plan(int ports, SfOptions sf) implements DevicePlan {

        @Override
        public EmulatedDevice open(PciAddress address) {
            throw new UnsupportedOperationException("a DPU needs a bus for what it emulates");
        }

        @Override
        public List<Placed> openAll(PciAddress address, PciBus bus) {
            Bluefield dpu = new Bluefield(bus, ports, sf);
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
