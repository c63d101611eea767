package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EPROTONOSUPPORT;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A request for a DPU to emulate a function more or less, as one line of JSON.
 *
 * @param apiVersion {@code vfio4j/v1}
 * @param kind {@link #CREATE} or {@link #DELETE}
 * @param address the network function's, or of the function that is to go
 * @param device for CREATE: {@code virtio-blk} or {@code nvme}
 * @param settings for CREATE: each {@code key=value}; paths are absolute
 * @param at for CREATE: its place, empty for the first that is free beside the network function
 * @param driver for CREATE: its VFIO driver, empty for the one that its auxiliary device gets
 * @param socket for CREATE: where it is served, empty for nowhere
 * @param timeoutMs for DELETE: how long to wait for its user
 */
record SnapRequest(
        String apiVersion,
        String kind,
        String address,
        String device,
        List<String> settings,
        String at,
        String driver,
        String socket,
        long timeoutMs) {

    static final String CREATE = "SnapCreate";
    static final String DELETE = "SnapDelete";

    private static final List<String> KINDS = List.of(CREATE, DELETE);

    SnapRequest {
        if (timeoutMs < 0 || timeoutMs > ControlRequest.MAX_TIMEOUT_MS) {
            throw new ErrnoException(
                    EINVAL, "timeoutMs " + timeoutMs + ": the limits are 0 and " + ControlRequest.MAX_TIMEOUT_MS);
        }
    }

    /** Made at the first request: most processes that serve never get one. */
    private static final class Json {
        static final JsonMapper STRICT = JsonMapper.builder()
                .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                .enable(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES)
                .enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES)
                .build();
    }

    static SnapRequest create(
            String by, String device, List<String> settings, String at, String driver, String socket) {
        return new SnapRequest(Output.API_VERSION, CREATE, by, device, settings, at, driver, socket, 0);
    }

    static SnapRequest delete(String address, long timeoutMs) {
        return new SnapRequest(Output.API_VERSION, DELETE, address, "", List.of(), "", "", "", timeoutMs);
    }

    /**
     * Empty for a request of another kind.
     *
     * @throws tools.jackson.core.JacksonException when it is none, or one of these with fields that are missing or not known
     * @throws ErrnoException EPROTONOSUPPORT for another version
     */
    static Optional<SnapRequest> find(String line) {
        JsonNode tree = Json.STRICT.readTree(line);
        if (tree == null || !KINDS.contains(tree.path("kind").asString(""))) {
            return Optional.empty();
        }
        SnapRequest request = Json.STRICT.treeToValue(tree, SnapRequest.class);
        if (!Output.API_VERSION.equals(request.apiVersion)) {
            throw new ErrnoException(
                    EPROTONOSUPPORT, "apiVersion '" + request.apiVersion + "': there is " + Output.API_VERSION);
        }
        return Optional.of(request);
    }

    /**
     * Does it.
     *
     * @return what there is now, or was
     * @throws CliException with advice, and {@link ErrnoException}
     */
    ServerState.Function perform(Machine machine) {
        if (kind.equals(DELETE)) {
            MachineFunction function = machine.function(parse(address));
            ServerState.Function was = function.state();
            machine.delete(function, Duration.ofMillis(timeoutMs));
            return was;
        }
        return machine.emulate(new Emulation(
                        parse(address),
                        Optional.of(at).filter(text -> !text.isEmpty()).map(SnapRequest::parse),
                        new DeviceKinds()
                                .plan(device, settings.stream().map(Setting::of).toList()),
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

    /** As it is sent. */
    String line() {
        return new JsonWriter()
                .object()
                .field("apiVersion", apiVersion)
                .field("kind", kind)
                .field("address", address)
                .field("device", device)
                .field("settings", settings)
                .field("at", at)
                .field("driver", driver)
                .field("socket", socket)
                .field("timeoutMs", timeoutMs)
                .end()
                .toString();
    }
}
