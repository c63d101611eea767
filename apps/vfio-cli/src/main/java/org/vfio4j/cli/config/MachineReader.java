package org.vfio4j.cli.config;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.device.BridgePlan;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.DevicePlan;
import org.vfio4j.cli.device.MdevParentKind;
import org.vfio4j.cli.device.MdevParentKinds;
import org.vfio4j.cli.device.Setting;
import org.vfio4j.cli.device.SriovPlan;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.Output;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopcicore.VfioPciOptions;

/**
 * Reads the description of a machine and checks all of it that can be checked without opening anything. The keys are those of
 * docs/users/machine.md. Used for one file.
 */
public final class MachineReader {

    private static final String HINT = "docs/users/machine.md, or: vfio config print shipped:bluefield";
    private static final String KIND = "Machine";

    private static final List<String> TOP = List.of("apiVersion", "kind", "options", "devices");
    private static final List<String> OPTIONS = List.of("trust-client", "vfio-pci", "facts", "sysfs", "sysfs-fuse");
    private static final List<String> OF_BRIDGE = List.of("bridge", "address", "id", "buses", "behind");
    private static final List<String> OF_DEVICE = List.of(
            "device", "address", "settings", "socket-path", "driver", "emulated-by", "virtual-functions", "numvfs");
    private static final List<String> OF_VIRTUAL = List.of("settings", "socket-path");
    private static final List<String> OF_PARENT = List.of("device", "settings");

    private static final Pattern BUSES = Pattern.compile("([0-9a-fA-F]{1,2})(?:-([0-9a-fA-F]{1,2}))?");
    private static final Pattern ID = Pattern.compile("([0-9a-fA-F]{1,4}):([0-9a-fA-F]{1,4})");

    private final DeviceKinds kinds;
    private final PlannedBus bus = new PlannedBus();
    private final List<MachineConfig.Device> devices = new ArrayList<>();
    private final List<MachineConfig.MdevParent> parents = new ArrayList<>();
    private final Map<Path, String> sockets = new HashMap<>();

    // Of the DPUs so far.
    private final Set<PciAddress> networkFunctions = new HashSet<>();

    public MachineReader(DeviceKinds kinds) {
        this.kinds = kinds;
    }

    /**
     * Reads the text of a file.
     *
     * @param file its name
     * @throws CliException with {@link ExitCode#FAILED} and {@code file:line:column} for what makes no sense
     */
    public MachineConfig read(String file, String text) {
        YamlValue document = YamlValue.parse(file, text, HINT);
        Map<String, YamlValue> top = document.map(TOP);
        expect(document, top, "apiVersion", Output.API_VERSION);
        expect(document, top, "kind", KIND);
        MachineConfig.Options options =
                find(top, "options").map(MachineReader::options).orElse(MachineConfig.Options.NONE);
        for (YamlValue device : required(document, top, "devices").list()) {
            device(device, Optional.empty());
        }
        return new MachineConfig(options, List.copyOf(devices), List.copyOf(parents));
    }

    private static void expect(YamlValue in, Map<String, YamlValue> values, String key, String only) {
        YamlValue value = required(in, values, key);
        if (!value.text().equals(only)) {
            throw value.wrong(key + " '" + value.text() + "': there is " + only);
        }
    }

    private static YamlValue required(YamlValue in, Map<String, YamlValue> values, String key) {
        return Optional.ofNullable(values.get(key)).orElseThrow(() -> in.wrong("'" + key + "' is missing"));
    }

    private static Optional<YamlValue> find(Map<String, YamlValue> values, String key) {
        return Optional.ofNullable(values.get(key));
    }

    private static MachineConfig.Options options(YamlValue value) {
        Map<String, YamlValue> options = value.map(OPTIONS);
        YamlValue trust = options.get("trust-client");
        return new MachineConfig.Options(
                trust != null && trust.isOn("trust-client"),
                vfioPci(options),
                words(options, "facts").stream().map(Path::of).toList(),
                path(options, "sysfs"),
                path(options, "sysfs-fuse"));
    }

    private static Optional<Path> path(Map<String, YamlValue> options, String key) {
        return find(options, key).map(path -> Path.of(path.word(key)));
    }

    private static List<String> vfioPci(Map<String, YamlValue> options) {
        List<String> words = words(options, "vfio-pci");
        try {
            VfioPciOptions.parse(words);
        } catch (ErrnoException e) {
            throw find(options, "vfio-pci").orElseThrow().wrong(String.valueOf(e.getMessage()));
        }
        return words;
    }

    private static List<String> words(Map<String, YamlValue> options, String key) {
        YamlValue list = options.get(key);
        return list == null
                ? List.of()
                : list.list().stream().map(each -> each.word(key)).toList();
    }

    private void device(YamlValue value, Optional<MachineConfig.Bridge> upstream) {
        Map<String, YamlValue> any = value.map();
        if (any.containsKey("bridge") == any.containsKey("device")) {
            throw value.wrong("expected either 'bridge' or 'device' here");
        }
        if (any.containsKey("bridge")) {
            bridge(value, value.map(OF_BRIDGE), upstream);
        } else if (MdevParentKinds.isOne(required(value, any, "device").text())) {
            parent(value, value.map(OF_PARENT), upstream);
        } else {
            function(value, value.map(OF_DEVICE), upstream);
        }
    }

    private void bridge(YamlValue value, Map<String, YamlValue> keys, Optional<MachineConfig.Bridge> upstream) {
        YamlValue port = required(value, keys, "bridge");
        if (BridgePlan.portOf(port.text()).isEmpty()) {
            throw port.wrong("bridge '" + port.text() + "': there is " + String.join(", ", BridgePlan.PORTS));
        }
        PciAddress address = address(value, keys, upstream);
        Optional<YamlValue> id = find(keys, "id");
        Matcher ids = ID.matcher(id.map(YamlValue::text).orElseGet(() -> BridgePlan.defaultId(port.text())));
        if (!ids.matches()) {
            throw id.orElse(value)
                    .wrong("id '" + id.map(YamlValue::text).orElse("")
                            + "': expected VENDOR:DEVICE, each of up to four hexadecimal digits");
        }
        YamlValue buses = required(value, keys, "buses");
        Matcher range = BUSES.matcher(buses.text());
        if (!range.matches()) {
            throw buses.wrong("buses '" + buses.text()
                    + "': expected the bus behind it, as 07, or the first and the last, as 05-09");
        }
        int first = Integer.parseInt(range.group(1), 16);
        int last = range.group(2) == null ? first : Integer.parseInt(range.group(2), 16);
        BridgePlan plan = new BridgePlan(
                port.text(), Integer.parseInt(ids.group(1), 16), Integer.parseInt(ids.group(2), 16), first, last);
        MachineConfig.Bridge bridge = new MachineConfig.Bridge(value.where(), address, plan);
        planned(required(value, keys, "address"), upstream, () -> bus.add(address, plan), address);
        devices.add(bridge);
        find(keys, "behind").ifPresent(behind -> behind.list().forEach(each -> device(each, Optional.of(bridge))));
    }

    private void function(YamlValue value, Map<String, YamlValue> keys, Optional<MachineConfig.Bridge> upstream) {
        PciAddress address = address(value, keys, upstream);
        YamlValue kind = required(value, keys, "device");
        DevicePlan alone = plan(kind, Optional.ofNullable(keys.get("settings")), kinds::plan);
        List<SriovPlan.Part> virtuals = find(keys, "virtual-functions")
                .map(list -> virtuals(list, kind, alone))
                .orElse(List.of());
        DevicePlan plan = virtuals.isEmpty() ? alone : new SriovPlan(alone, virtuals);
        int numVfs = find(keys, "numvfs")
                .map(count -> numVfs(count, virtuals.size()))
                .orElse(0);
        YamlValue place = required(value, keys, "address");
        List<PciAddress> places = places(place, plan, address);
        places.forEach(each -> planned(place, upstream, () -> bus.add(each), each));
        if (plan.emulates()) {
            networkFunctions.addAll(places);
        }
        YamlValue socket = keys.get("socket-path");
        if (socket != null) {
            checkSocket(socket, plan);
        }
        devices.add(new MachineConfig.Function(
                value.where(),
                address,
                plan,
                Optional.ofNullable(socket).map(path -> Path.of(path.text())),
                Optional.ofNullable(keys.get("driver")).map(driver -> driver.word("driver")),
                Optional.ofNullable(keys.get("emulated-by")).map(by -> emulatedBy(by, plan)),
                numVfs));
    }

    private List<SriovPlan.Part> virtuals(YamlValue list, YamlValue kind, DevicePlan physical) {
        if (!physical.virtualizes()) {
            throw list.wrong("virtual-functions: " + kind.text() + " has none");
        }
        return list.list().stream().map(each -> virtual(each, kind)).toList();
    }

    private SriovPlan.Part virtual(YamlValue value, YamlValue kind) {
        Map<String, YamlValue> keys = value.map(OF_VIRTUAL);
        DevicePlan plan = plan(kind, Optional.ofNullable(keys.get("settings")), kinds::plan);
        Optional<YamlValue> socket = find(keys, "socket-path");
        socket.ifPresent(path -> checkSocket(path, plan));
        return new SriovPlan.Part(plan, socket.map(path -> Path.of(path.text())));
    }

    private static int numVfs(YamlValue count, int total) {
        String text = count.word("numvfs");
        if (!text.matches("\\d{1,5}") || Integer.parseInt(text) > total) {
            throw count.wrong("numvfs " + text + ": the limits are 0 and " + total + ", the virtual-functions here");
        }
        return Integer.parseInt(text);
    }

    private static List<PciAddress> places(YamlValue place, DevicePlan plan, PciAddress address) {
        try {
            return plan.places(address);
        } catch (CliException e) {
            throw place.wrong(String.valueOf(e.getMessage()), e.hint());
        }
    }

    private PciAddress emulatedBy(YamlValue by, DevicePlan plan) {
        if (plan.snapProtocol().isEmpty()) {
            throw by.wrong("emulated-by: a DPU emulates virtio-blk and nvme");
        }
        PciAddress address;
        try {
            address = PciAddress.parse(by.word("emulated-by"));
        } catch (IllegalArgumentException e) {
            throw by.wrong(String.valueOf(e.getMessage()));
        }
        if (!networkFunctions.contains(address)) {
            throw by.wrong("emulated-by " + address + ": no network function of a bluefield before it is there");
        }
        return address;
    }

    private void parent(YamlValue value, Map<String, YamlValue> keys, Optional<MachineConfig.Bridge> upstream) {
        YamlValue device = required(value, keys, "device");
        if (upstream.isPresent()) {
            throw device.wrong(device.text() + " is a parent of mdevs: it is on no bus, and so behind no bridge");
        }
        MdevParentKind.Plan plan = plan(device, Optional.ofNullable(keys.get("settings")), MdevParentKinds::plan);
        parents.add(new MachineConfig.MdevParent(value.where(), plan));
    }

    private void checkSocket(YamlValue socket, DevicePlan plan) {
        if (plan.namesItsSockets()) {
            throw socket.wrong("socket-path: this device has no socket of its own");
        }
        Path path = Path.of(socket.word("socket-path")).toAbsolutePath().normalize();
        Optional<String> before = Optional.ofNullable(sockets.putIfAbsent(path, socket.where()));
        if (before.isPresent()) {
            throw socket.wrong("socket-path " + path + " is another's already: " + before.get());
        }
    }

    private static PciAddress address(
            YamlValue value, Map<String, YamlValue> keys, Optional<MachineConfig.Bridge> upstream) {
        YamlValue text = required(value, keys, "address");
        PciAddress address;
        try {
            address = PciAddress.parse(text.text());
        } catch (IllegalArgumentException e) {
            throw text.wrong(String.valueOf(e.getMessage()));
        }
        upstream.ifPresent(bridge -> {
            if (address.bus() != bridge.plan().secondaryBus()
                    || address.domain() != bridge.address().domain()) {
                throw text.wrong(String.format(
                        Locale.ROOT,
                        "address %s is not behind its bridge %s, which leads to bus %02x",
                        address,
                        bridge.address(),
                        bridge.plan().secondaryBus()));
            }
        });
        return address;
    }

    private void planned(YamlValue at, Optional<MachineConfig.Bridge> upstream, Runnable add, PciAddress address) {
        try {
            add.run();
        } catch (ErrnoException e) {
            throw at.wrong(String.valueOf(e.getMessage()));
        }
        Optional<PciAddress> sits = bus.upstream(address);
        if (!sits.equals(upstream.map(MachineConfig.Bridge::address))) {
            throw at.wrong(
                    "address " + address + " is behind " + sits.orElseThrow() + ": it belongs into its 'behind'");
        }
    }

    /** Makes of the name of a kind and settings what it will be. */
    private interface Planner<T> {
        T plan(String kind, List<Setting> settings);
    }

    private static <T> T plan(YamlValue device, Optional<YamlValue> settings, Planner<T> kinds) {
        String kind = device.word("device");
        List<Setting> words = new ArrayList<>();
        List<YamlValue> values = new ArrayList<>();
        settings.ifPresent(value -> value.map().forEach((key, each) -> {
            words.add(new Setting(key, each.text()));
            values.add(each);
        }));
        try {
            return kinds.plan(kind, words);
        } catch (CliException e) {
            throw culprit(kinds, kind, words, values, String.valueOf(e.getMessage()))
                    .orElse(device)
                    .wrong(String.valueOf(e.getMessage()), e.hint());
        }
    }

    // Which setting it is that a kind does not take: the last of the fewest that it takes as badly.
    private static Optional<YamlValue> culprit(
            Planner<?> kinds, String kind, List<Setting> words, List<YamlValue> values, String message) {
        for (int i = 0; i <= words.size(); i++) {
            try {
                kinds.plan(kind, words.subList(0, i));
            } catch (CliException e) {
                if (message.equals(e.getMessage())) {
                    return i == 0 ? Optional.empty() : Optional.of(values.get(i - 1));
                }
            }
        }
        return Optional.empty();
    }
}
