package org.vfio4j.cli.stat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.entry;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.Cli;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.machine.Endpoint;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.UnixSocket;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkQueue;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code vfio stat}, {@code vfio top} and the request for statistics, from the user-space driver's requests to the output. */
@Timeout(120)
class StatisticsTest {

    private static final String PID = Long.toString(ProcessHandle.current().pid());
    private static final String ADDRESS = "0000:00:01.0";
    private static final int READS = 100;
    private static final int WRITES = 40;
    private static final int BYTES = 4096;
    private static final long PATIENCE_NS = 20_000_000_000L;

    @TempDir
    private Path directory;

    private final Leaks before = Leaks.snapshot();
    private final ServerDirectory own = ServerDirectory.create();
    private final Machine machine = new Machine();
    private Optional<ServerControl> control = Optional.empty();

    @BeforeEach
    void serve() {
        add("virtio-blk", List.of("memory=1M", "queues=2"), "disk.sock");
        add("i40e-vf", List.of(), "nic.sock");
        control = Optional.of(ServerControl.start(machine, own, own.sysfs(), line -> Optional.empty()));
    }

    @AfterEach
    void release() {
        control.ifPresent(ServerControl::close);
        machine.close();
        own.close();
        before.assertNone();
    }

    @Test
    void countsWhatTheDriverAskedFor() {
        useDisk();
        Cli run = Cli.run("stat", ADDRESS, "--server", PID, "--queues", "-o", "json");
        assertThat(run.exitCode()).as(run.err()).isZero();
        JsonNode item = onlyItem(run.out(), "Statistics");
        assertThat(item.get("pid").asString()).isEqualTo(PID);
        assertThat(item.get("slowNs").asLong()).isEqualTo(10_000_000);
        assertThat(item.get("queueCpuNs").asLong()).isPositive();
        JsonNode total = item.get("total");
        assertThat(total.get("reads").asInt()).isEqualTo(READS);
        assertThat(total.get("writes").asInt()).isEqualTo(WRITES);
        assertThat(total.get("flushes").asInt()).isEqualTo(1);
        assertThat(total.get("readBytes").asInt()).isEqualTo(READS * BYTES);
        assertThat(total.get("writtenBytes").asInt()).isEqualTo(WRITES * BYTES);
        assertThat(total.get("errors").asInt()).isZero();
        assertThat(total.get("inFlight").asInt()).isZero();
        assertThat(total.get("notifications").asInt()).isPositive();
        JsonNode latency = total.get("readLatency");
        assertThat(latency.get("count").asInt()).isEqualTo(READS);
        assertThat(latency.get("p50Us").asDouble()).isPositive();
        assertThat(latency.get("p99Us").asDouble())
                .isBetween(latency.get("p50Us").asDouble(), latency.get("maxUs").asDouble());
        assertThat(item.get("queues").get(0).get("queue").asInt()).isZero();
        assertThat(item.get("queues").get(0).get("reads").asInt()).isEqualTo(READS);
    }

    @Test
    void tablesShowTheSame() {
        useDisk();
        Cli run = Cli.run("stat", directory.resolve("disk.sock").toString());
        assertThat(run.exitCode()).as(run.err()).isZero();
        String[] tables = run.out().split("\n\n");
        assertThat(tables[0].lines().skip(1))
                .singleElement()
                .asString()
                .matches("0000:00:01\\.0  virtio-blk +" + PID + " +100 +40 +1 .* 410 kB +164 kB +0 .*");
        assertThat(tables[1].lines().skip(1)).hasSize(3);
        assertThat(tables[1]).containsPattern("0000:00:01\\.0  reads +100 ").containsPattern("writes +40 ");
    }

    @Test
    void prometheusGetsCumulativeBuckets() {
        useDisk();
        Map<String, Double> samples =
                samples(Cli.run("stat", "--server", PID, "-o", "prometheus").out());
        String labels = "pid=\"" + PID + "\",function=\"" + ADDRESS + "\",kind=\"virtio-blk\"";
        assertThat(samples)
                .contains(
                        entry("vfio4j_commands_total{" + labels + ",op=\"read\"}", (double) READS),
                        entry("vfio4j_commands_total{" + labels + ",op=\"flush\"}", 1.0),
                        entry("vfio4j_bytes_total{" + labels + ",op=\"write\"}", (double) WRITES * BYTES),
                        entry("vfio4j_in_flight{" + labels + "}", 0.0),
                        entry("vfio4j_command_latency_seconds_count{" + labels + ",op=\"read\"}", (double) READS),
                        entry("vfio4j_command_latency_seconds_bucket{" + labels + ",op=\"read\",le=\"+Inf\"}", (double)
                                READS));
        assertThat(samples.get("vfio4j_server_cpu_seconds_total{pid=\"" + PID + "\"}"))
                .isPositive();
        List<Double> buckets = samples.entrySet().stream()
                .filter(sample -> sample.getKey().startsWith("vfio4j_command_latency_seconds_bucket{" + labels)
                        && sample.getKey().contains("op=\"read\""))
                .map(Map.Entry::getValue)
                .toList();
        assertThat(buckets).hasSize(23).isSorted();
    }

    @Test
    void topShowsAnIntervalAndThatNothingHappenedInIt() {
        useDisk();
        Cli run = Cli.run("top", "--server", PID, "-n", "2", "--interval", "0.1", "-o", "json", "--queues");
        assertThat(run.exitCode()).as(run.err()).isZero();
        assertThat(run.out().lines()).hasSize(2);
        JsonNode item = onlyItem(run.out().lines().findFirst().orElseThrow(), "Top");
        assertThat(item.get("address").asString()).isEqualTo(ADDRESS);
        assertThat(item.get("seconds").asDouble()).isPositive();
        assertThat(item.get("readsPerSecond").asDouble()).isZero();
        assertThat(item.get("queues").get(0).get("latency").get("count").asInt())
                .isZero();

        Cli table = Cli.run("top", "--server", PID, "-n", "1", "--interval", "0.1");
        assertThat(table.out()).startsWith("FUNCTION ").contains(ADDRESS);
    }

    @Test
    void refusesWhatMakesNoSense() {
        assertRefused(Cli.run("top", "--interval", "0"), ExitCode.USAGE, "--interval 1");
        assertRefused(Cli.run("top", "-n", "0"), ExitCode.USAGE, "-n 1");
        assertRefused(Cli.run("stat", "0000:00:09.0"), ExitCode.NOT_FOUND, "vfio ls");
        assertRefused(Cli.run("stat", "0000:00:02.0"), ExitCode.UNSUPPORTED, "vfio stat");
        assertRefused(Cli.run("stat", ""), ExitCode.NOT_FOUND, "vfio ls");
        assertRefused(Cli.run("stat", "-o", "yaml"), ExitCode.USAGE, "vfio stat --help");
    }

    @Test
    void theSocketAnswersWithRawBuckets() {
        useDisk();
        JsonNode server = onlyItem(ask("{\"apiVersion\":\"vfio4j/v1\",\"kind\":\"Statistics\"}"), "Statistics");
        assertThat(server.get("timeNs").asLong()).isNotZero();
        assertThat(server.get("cpuNs").asLong()).isPositive();
        assertThat(server.get("functions")).hasSize(1);
        JsonNode function = server.get("functions").get(0);
        assertThat(function.get("queues")).isEmpty();
        JsonNode latency = function.get("total").get("readLatency");
        long count = 0;
        long before = -1;
        for (int i = 0; i < latency.get("counts").size(); i++) {
            count += latency.get("counts").get(i).asLong();
            assertThat(latency.get("upToNs").get(i).asLong()).isGreaterThan(before);
            before = latency.get("upToNs").get(i).asLong();
        }
        assertThat(count).isEqualTo(READS);
        assertThat(latency.get("maxNs").asLong()).isLessThanOrEqualTo(before);
    }

    @Test
    void theSocketTellsQueuesWhenAskedAndNothingOfWhatIsNotThere() {
        useDisk();
        String begin = "{\"apiVersion\":\"vfio4j/v1\",\"kind\":\"Statistics\",\"queues\":true,\"address\":";
        assertThat(onlyItem(ask(begin + "\"" + ADDRESS + "\"}"), "Statistics")
                        .get("functions")
                        .get(0)
                        .get("queues"))
                .isNotEmpty();
        assertThat(onlyItem(ask(begin + "\"0000:00:02.0\"}"), "Statistics").get("functions"))
                .isEmpty();
        assertThat(ask("{\"apiVersion\":\"v9\",\"kind\":\"Statistics\"}")).contains("\"kind\":\"Error\"", "93");
        assertThat(ask("{\"apiVersion\":\"vfio4j/v1\",\"kind\":\"Statistics\",\"x\":1}"))
                .contains("\"kind\":\"Error\"", "22");
    }

    private void add(String kind, List<String> settings, String socket) {
        List<String> words = new java.util.ArrayList<>(List.of(kind));
        words.addAll(settings);
        machine.add(new DeviceKinds().plan(words))
                .serve(new Endpoint.AtPath(directory.resolve(socket)), VfioUserServerOptions.DEFAULTS);
    }

    private void useDisk() {
        try (VfioUserClient client =
                        VfioUserClient.connect(directory.resolve("disk.sock"), VfioUserClientOptions.DEFAULTS);
                VirtioBlkDriver driver = VirtioBlkDriver.open(client, VirtioBlkOptions.DEFAULTS)) {
            VirtioBlkQueue queue = driver.queue(0);
            long buffer = driver.memory().allocate(BYTES, BYTES);
            for (int i = 0; i < READS + WRITES; i++) {
                if (i < READS) {
                    queue.read((long) i * BYTES, buffer, BYTES, 0);
                } else {
                    queue.write((long) i * BYTES, buffer, BYTES, 0);
                }
                await(queue);
            }
            queue.flush(0);
            await(queue);
        }
    }

    private static void await(VirtioBlkQueue queue) {
        queue.kick();
        while (queue.inFlight() > 0) {
            queue.poll((tag, result) -> assertThat(result).isZero());
        }
    }

    private String ask(String line) {
        try (LineSocket socket = new LineSocket(UnixSocket.connect(own.control()))) {
            socket.write(line, PATIENCE_NS);
            return socket.read(1 << 20, PATIENCE_NS, passed -> {});
        }
    }

    private static JsonNode onlyItem(String text, String kind) {
        JsonNode json = JsonMapper.builder().build().readTree(text);
        assertThat(json.get("apiVersion").asString()).isEqualTo("vfio4j/v1");
        assertThat(json.get("kind").asString()).isEqualTo(kind);
        assertThat(json.get("items")).hasSize(1);
        return json.get("items").get(0);
    }

    private static Map<String, Double> samples(String text) {
        Map<String, Double> samples = new LinkedHashMap<>();
        text.lines().filter(line -> !line.startsWith("#")).forEach(line -> {
            int gap = line.lastIndexOf(' ');
            assertThat(samples.put(line.substring(0, gap), Double.valueOf(line.substring(gap + 1))))
                    .as("a sample twice: %s", line)
                    .isNull();
        });
        return samples;
    }

    private static void assertRefused(Cli run, int exitCode, String hint) {
        assertThat(run.exitCode()).as(run.err()).isEqualTo(exitCode);
        assertThat(run.errorLines()).hasSize(2);
        assertThat(run.errorLines()[1]).startsWith("try: ").contains(hint);
        assertThat(run.out()).isEmpty();
    }
}
