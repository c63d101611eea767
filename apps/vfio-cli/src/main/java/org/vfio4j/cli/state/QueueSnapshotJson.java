package org.vfio4j.cli.state;

import java.util.stream.LongStream;
import java.util.stream.StreamSupport;
import org.vfio4j.cli.text.JsonWriter;
import org.vfio4j.devicemodel.LatencySnapshot;
import org.vfio4j.devicemodel.QueueSnapshot;
import tools.jackson.databind.JsonNode;

/** A queue's counters on the way from process to process: histograms go with the buckets that are not empty. */
final class QueueSnapshotJson {

    private QueueSnapshotJson() {}

    /** The fields, into an object that is open. */
    static void write(QueueSnapshot queue, JsonWriter json) {
        json.field("queue", queue.queue());
        json.field("reads", queue.reads()).field("writes", queue.writes());
        json.field("flushes", queue.flushes()).field("discards", queue.discards());
        json.field("others", queue.others());
        json.field("readBytes", queue.readBytes()).field("writtenBytes", queue.writtenBytes());
        json.field("errors", queue.errors()).field("slow", queue.slow()).field("inFlight", queue.inFlight());
        json.field("notifications", queue.notifications()).field("interrupts", queue.interrupts());
        latency("readLatency", queue.readLatency(), json);
        latency("writeLatency", queue.writeLatency(), json);
        latency("otherLatency", queue.otherLatency(), json);
    }

    static QueueSnapshot parse(JsonNode json) {
        return new QueueSnapshot(
                json.path("queue").asInt(),
                json.path("reads").asLong(),
                json.path("writes").asLong(),
                json.path("flushes").asLong(),
                json.path("discards").asLong(),
                json.path("others").asLong(),
                json.path("readBytes").asLong(),
                json.path("writtenBytes").asLong(),
                json.path("errors").asLong(),
                json.path("slow").asLong(),
                json.path("inFlight").asLong(),
                json.path("notifications").asLong(),
                json.path("interrupts").asLong(),
                latency(json.path("readLatency")),
                latency(json.path("writeLatency")),
                latency(json.path("otherLatency")));
    }

    private static void latency(String name, LatencySnapshot latency, JsonWriter json) {
        LongStream.Builder upToNs = LongStream.builder();
        LongStream.Builder counts = LongStream.builder();
        latency.forEachBucket((highestNs, count) -> {
            upToNs.add(highestNs);
            counts.add(count);
        });
        json.object(name).field("totalNs", latency.totalNs()).field("maxNs", latency.maxNs());
        json.field("upToNs", upToNs.build().toArray());
        json.field("counts", counts.build().toArray()).end();
    }

    private static LatencySnapshot latency(JsonNode json) {
        return LatencySnapshot.ofBuckets(
                numbers(json.path("upToNs")),
                numbers(json.path("counts")),
                json.path("totalNs").asLong(),
                json.path("maxNs").asLong());
    }

    private static long[] numbers(JsonNode json) {
        return StreamSupport.stream(json.spliterator(), false)
                .mapToLong(JsonNode::asLong)
                .toArray();
    }
}
