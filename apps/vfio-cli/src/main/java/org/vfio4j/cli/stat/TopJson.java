package org.vfio4j.cli.stat;

import java.util.List;
import java.util.Optional;
import org.vfio4j.cli.text.JsonWriter;
import org.vfio4j.cli.text.Output;

/** A line of {@code vfio top -o json}: an interval. */
final class TopJson {

    private static final double PARTS = 100;

    private TopJson() {}

    static String line(List<TopSampler.Row> rows) {
        return Output.jsonLine("Top", rows, TopJson::write);
    }

    private static void write(TopSampler.Row row, JsonWriter json) {
        json.object().field("pid", row.pid()).field("address", row.function().address());
        json.field("kind", row.function().kind())
                .field("vfioDevice", row.function().vfioDevice());
        json.field("seconds", rounded(row.seconds()));
        json.field("cpuPercent", rounded(PARTS * row.cpu()))
                .field("serverCpuPercent", rounded(PARTS * row.serverCpu()));
        rates(row.total(), json);
        json.array("queues");
        for (TopSampler.QueueRow queue : row.queues()) {
            json.object().field("queue", queue.queue());
            rates(queue.rates(), json);
            json.end();
        }
        json.endArray().end();
    }

    // A function that has just appeared has no rates: its fields are not there.
    private static void rates(Optional<Rates> known, JsonWriter json) {
        if (known.isEmpty()) {
            return;
        }
        Rates rates = known.get();
        json.field("readsPerSecond", rounded(rates.reads())).field("writesPerSecond", rounded(rates.writes()));
        json.field("othersPerSecond", rounded(rates.others()));
        json.field("readBytesPerSecond", rounded(rates.readBytes()));
        json.field("writtenBytesPerSecond", rounded(rates.writtenBytes()));
        json.field("errorsPerSecond", rounded(rates.errors())).field("slowPerSecond", rounded(rates.slow()));
        json.field("notificationsPerSecond", rounded(rates.notifications()));
        json.field("interruptsPerSecond", rounded(rates.interrupts()));
        json.field("depth", rounded(rates.depth())).field("inFlight", rates.inFlight());
        LatencyReport latency = LatencyReport.of(rates.latency());
        json.object("latency").field("count", latency.count()).field("meanUs", latency.meanUs());
        json.field("p50Us", latency.p50Us()).field("p90Us", latency.p90Us()).field("p99Us", latency.p99Us());
        json.field("p999Us", latency.p999Us()).field("maxUs", latency.maxUs()).end();
    }

    private static double rounded(double value) {
        return Math.round(value * PARTS) / PARTS;
    }
}
