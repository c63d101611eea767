package org.vfio4j.cli.stat;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.cli.state.FunctionStatistics;
import org.vfio4j.cli.state.ServerStatistics;
import org.vfio4j.devicemodel.LatencySnapshot;
import org.vfio4j.devicemodel.QueueSnapshot;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Rates of two answers, and how they are shown. */
class TopTest {

    private static final long SECOND_NS = 1_000_000_000;

    private final TopSampler sampler = new TopSampler();

    @Test
    void aFunctionHasRatesFromItsSecondAnswerOn() {
        assertThat(sampler.rows(List.of(server(7, 0, 0, 0))))
                .singleElement()
                .satisfies(row -> assertThat(row.total()).isEmpty());
        TopSampler.Row row =
                sampler.rows(List.of(server(7, 2 * SECOND_NS, 3000, SECOND_NS))).getFirst();
        assertThat(row.seconds()).isEqualTo(2);
        Rates rates = row.total().orElseThrow();
        assertThat(rates.reads()).isEqualTo(1000);
        assertThat(rates.writes()).isEqualTo(500);
        assertThat(rates.readBytes()).isEqualTo(4_096_000);
        assertThat(rates.interrupts()).isEqualTo(1500);
        // 3000 commands of 20 us in 2 s.
        assertThat(rates.depth()).isEqualTo(0.03);
        assertThat(rates.latency().count()).isEqualTo(3000);
        assertThat(row.cpu()).isEqualTo(0.5);
        assertThat(row.serverCpu()).isEqualTo(0.75);
        assertThat(row.queues())
                .singleElement()
                .satisfies(
                        queue -> assertThat(queue.rates().orElseThrow().reads()).isEqualTo(1000));
    }

    @Test
    void serversComeAndGo() {
        sampler.rows(List.of(server(7, 0, 0, 0)));
        assertThat(sampler.rows(List.of())).isEmpty();
        // The same number again, but another process: nothing is known of it, and nothing is negative.
        assertThat(sampler.rows(List.of(server(7, SECOND_NS, 9, 0))).getFirst().total())
                .isEmpty();
        assertThat(sampler.rows(List.of(server(7, 1, 3, 0))).getFirst().total()).isEmpty();
    }

    @Test
    void theTableHasAFunctionInEachLineAndItsQueuesBelow() {
        assertThat(TopTable.lines(rows(), 200))
                .containsExactly(
                        "FUNCTION      KIND        PID    R/S    W/S  OTHER/S  READ/S  WRITE/S  DEPTH     P50     P99   P99.9"
                                + "  ERR/S  SLOW/S  IRQ/S  CPU  SERVER",
                        "0000:00:01.0  virtio-blk  7    50.0k  25.0k        0  205 MB   102 MB   1.50  20.0us  20.0us  20.0us"
                                + "      0       0  75.0k  50%     75%",
                        "  queue 3                      50.0k  25.0k        0  205 MB   102 MB   1.50  20.0us  20.0us  20.0us"
                                + "      0       0  75.0k");
    }

    @Test
    void aNarrowTerminalGetsFewerColumns() {
        for (int width = 0; width < 200; width++) {
            int limit = width;
            assertThat(TopTable.lines(rows(), width))
                    .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(limit));
        }
        assertThat(TopTable.lines(rows(), 80).getFirst()).contains("FUNCTION", "R/S", "W/S", "P50", "P99", "CPU");
        assertThat(TopTable.lines(rows(), 80).getFirst()).doesNotContain("KIND");
        assertThat(TopTable.lines(List.of(), 80)).isEmpty();
    }

    @Test
    void jsonIsALineForAnInterval() {
        String line = TopJson.line(rows());
        assertThat(line).doesNotContain("\n");
        JsonNode json = JsonMapper.builder().build().readTree(line);
        assertThat(json.get("kind").asString()).isEqualTo("Top");
        JsonNode item = json.get("items").get(0);
        assertThat(item.get("readsPerSecond").asDouble()).isEqualTo(50_000);
        assertThat(item.get("depth").asDouble()).isEqualTo(1.5);
        assertThat(item.get("latency").get("p99Us").asDouble()).isBetween(19.8, 20.2);
        assertThat(item.get("queues").get(0).get("writesPerSecond").asDouble()).isEqualTo(25_000);
    }

    @Test
    void aFrameFitsTheScreenAndIsDrawnOverWhatWasThere() {
        List<String> table = List.of("HEADER", "first row", "second", "third");
        assertThat(TopScreen.frame("title", table, "keys", 24, 6))
                .isEqualTo("\u001b[Htitle\u001b[K\r\n\u001b[K\r\n\u001b[1mHEADER\u001b[0m\u001b[K\r\nfirst \u001b[K\r\n"
                        + "second\u001b[K\r\nthird\u001b[K\r\n\u001b[K\r\nkeys\u001b[K\u001b[J");
        for (int rows = 1; rows < 12; rows++) {
            assertThat(TopScreen.frame("title", table, "keys", rows, 80).split("\r\n"))
                    .as("lines on %d rows", rows)
                    .hasSizeLessThanOrEqualTo(rows);
        }
    }

    /** One second with 75,000 commands of 20 us. */
    private List<TopSampler.Row> rows() {
        TopSampler fresh = new TopSampler();
        fresh.rows(List.of(server(7, 0, 0, 0)));
        return fresh.rows(List.of(server(7, SECOND_NS, 75_000, SECOND_NS / 2)));
    }

    /** Two of three commands are reads. */
    private static ServerStatistics server(long pid, long timeNs, long commands, long cpuNs) {
        long reads = commands / 3 * 2;
        long writes = commands / 3;
        QueueSnapshot queue = new QueueSnapshot(
                3,
                reads,
                writes,
                0,
                0,
                0,
                4096 * reads,
                4096 * writes,
                0,
                0,
                0,
                0,
                commands,
                latency(reads),
                latency(writes),
                LatencySnapshot.EMPTY);
        FunctionStatistics function = new FunctionStatistics(
                "0000:00:01.0",
                "virtio-blk",
                "64 MiB, memory",
                "vfio0",
                "/tmp/disk.sock",
                cpuNs,
                Long.MAX_VALUE,
                QueueSnapshot.sum(List.of(queue)),
                List.of(queue));
        return new ServerStatistics(pid, timeNs, cpuNs + cpuNs / 2, List.of(function));
    }

    private static LatencySnapshot latency(long count) {
        return count == 0
                ? LatencySnapshot.EMPTY
                : LatencySnapshot.ofBuckets(new long[] {20_000}, new long[] {count}, 20_000 * count, 20_000);
    }
}
