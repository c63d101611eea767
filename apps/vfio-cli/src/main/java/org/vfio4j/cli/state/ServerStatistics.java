package org.vfio4j.cli.state;

import java.util.List;
import java.util.stream.StreamSupport;
import org.vfio4j.cli.text.JsonWriter;
import tools.jackson.databind.JsonNode;

/**
 * What a serving process answers to a request for statistics. Fields are only ever added.
 *
 * @param pid the process
 * @param timeNs when it was answered, by a clock that has its zero anywhere and does not go back
 * @param cpuNs how long all its threads have had a processor
 * @param functions those that count
 */
public record ServerStatistics(long pid, long timeNs, long cpuNs, List<FunctionStatistics> functions) {

    public void write(JsonWriter json) {
        json.object().field("pid", pid).field("timeNs", timeNs).field("cpuNs", cpuNs);
        json.array("functions");
        functions.forEach(function -> function.write(json));
        json.endArray().end();
    }

    public static ServerStatistics parse(JsonNode json) {
        return new ServerStatistics(
                json.path("pid").asLong(),
                json.path("timeNs").asLong(),
                json.path("cpuNs").asLong(),
                StreamSupport.stream(json.path("functions").spliterator(), false)
                        .map(FunctionStatistics::parse)
                        .toList());
    }
}
