package org.vfio4j.cli.mdev;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.cli.CliProcess;
import org.vfio4j.cli.control.MdevRequest;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.sys.UnixSocket;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A process that serves a DPU whose network function 07:00.0 can have scalable ones. */
public final class SfServer implements AutoCloseable {

    static final String PARENT = "0000:07:00.0";

    private static final JsonMapper JSON = JsonMapper.builder().build();

    private final CliProcess process;
    private final Path control;

    /** @param settings of the DPU, and options */
    public SfServer(Path directory, String... settings) {
        List<String> words = new ArrayList<>(List.of("serve", "bluefield", "ports=1", "--address", PARENT));
        words.addAll(List.of(settings));
        process = new CliProcess(directory, words.toArray(String[]::new));
        while (!process.out().contains("lspci: ")) {
            assertThat(process.isAlive()).as("%s", process).isTrue();
            CliProcess.pause();
        }
        control = directory
                .resolve("vfio4j")
                .resolve(Long.toString(process.pid()))
                .resolve("control");
    }

    long pid() {
        return process.pid();
    }

    Path control() {
        return control;
    }

    /** Has an mdev of a type, without the driver's name, made and served. Returns the item, or an error's. */
    public JsonNode start(String uuid, String type, Path socket) {
        return ask(
                control,
                new MdevRequest(MdevRequest.START, uuid, PARENT, "mlx5_core-" + type, socket.toString(), List.of(), 0));
    }

    JsonNode stop(String uuid) {
        return ask(control, MdevRequest.stop(uuid, 20_000));
    }

    /** How many more of a type there could be. */
    int available(String type) {
        for (JsonNode item : all(MdevRequest.TYPES)) {
            if (item.path("type").asString("").equals("mlx5_core-" + type)) {
                return item.path("availableInstances").asInt();
            }
        }
        throw new AssertionError("no type " + type);
    }

    /** The uuids of its mdevs, in the order of their making. */
    List<String> uuids() {
        List<String> uuids = new ArrayList<>();
        all(MdevRequest.LIST).forEach(item -> uuids.add(item.path("uuid").asString("")));
        return uuids;
    }

    private JsonNode all(String kind) {
        return exchange(control, MdevRequest.ask(kind).line()).path("items");
    }

    /** One request to a serving process: the only item of its answer. */
    public static JsonNode ask(Path control, MdevRequest request) {
        return exchange(control, request.line()).path("items").path(0);
    }

    private static JsonNode exchange(Path control, String line) {
        try (LineSocket socket = new LineSocket(UnixSocket.connect(control))) {
            socket.write(line, 10_000_000_000L);
            return JSON.readTree(socket.read(1 << 24, 60_000_000_000L, ns -> {}));
        }
    }

    /** Its threads. */
    long threads() {
        return statusNumber("Threads");
    }

    long residentKiB() {
        return statusNumber("VmRSS");
    }

    private long statusNumber(String name) {
        return lines("status").stream()
                .filter(line -> line.startsWith(name + ":"))
                .map(line -> line.replaceAll("\\D", ""))
                .mapToLong(Long::parseLong)
                .findFirst()
                .orElseThrow();
    }

    /** What it has run on a processor so far, in hundredths of seconds. */
    long cpuTicks() {
        String[] fields = lines("stat").getFirst().replaceFirst(".*\\) ", "").split(" ", -1);
        return Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
    }

    private List<String> lines(String file) {
        try {
            return Files.readAllLines(Path.of("/proc", Long.toString(process.pid()), file));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        boolean alive = process.isAlive();
        process.signal("TERM");
        int exitCode = alive ? process.exitCode() : 1;
        process.close();
        assertThat(exitCode).as("%s", process).isZero();
    }

    @Override
    public String toString() {
        return process.toString();
    }
}
