package org.vfio4j.cli.state;

import java.util.List;
import java.util.stream.StreamSupport;
import org.vfio4j.cli.text.JsonWriter;
import org.vfio4j.devicemodel.QueueSnapshot;
import tools.jackson.databind.JsonNode;

/**
 * What a function of a serving process has done since it was made.
 *
 * @param address as {@code 0000:00:01.0}
 * @param kind what it is, as {@code virtio-blk}
 * @param description what it stands on, for people
 * @param vfioDevice as {@code vfio0}, empty without a driver
 * @param socket where it is served, empty for an inherited descriptor
 * @param cpuNs how long its queue threads have had a processor
 * @param slowNs how long a command may take before it counts as slow
 * @param total all queues together
 * @param queues each queue that was ever in use, when these were asked for
 */
public record FunctionStatistics(
        String address,
        String kind,
        String description,
        String vfioDevice,
        String socket,
        long cpuNs,
        long slowNs,
        QueueSnapshot total,
        List<QueueSnapshot> queues) {

    void write(JsonWriter json) {
        json.object().field("address", address).field("kind", kind).field("description", description);
        json.field("vfioDevice", vfioDevice).field("socket", socket);
        json.field("cpuNs", cpuNs).field("slowNs", slowNs).object("total");
        QueueSnapshotJson.write(total, json);
        json.end().array("queues");
        for (QueueSnapshot queue : queues) {
            json.object();
            QueueSnapshotJson.write(queue, json);
            json.end();
        }
        json.endArray().end();
    }

    static FunctionStatistics parse(JsonNode json) {
        return new FunctionStatistics(
                json.path("address").asString(""),
                json.path("kind").asString(""),
                json.path("description").asString(""),
                json.path("vfioDevice").asString(""),
                json.path("socket").asString(""),
                json.path("cpuNs").asLong(),
                json.path("slowNs").asLong(),
                QueueSnapshotJson.parse(json.path("total")),
                StreamSupport.stream(json.path("queues").spliterator(), false)
                        .map(QueueSnapshotJson::parse)
                        .toList());
    }
}
