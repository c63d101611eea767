package org.vfio4j.cli.stat;

import static org.vfio4j.cli.text.Grid.Column.number;
import static org.vfio4j.cli.text.Grid.Column.text;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.cli.text.Figures;
import org.vfio4j.cli.text.Grid;

/** The table of {@code vfio top}: a function in each line, and its queues below it. */
final class TopTable {

    private static final List<Grid.Column> COLUMNS = List.of(
            text("FUNCTION", 0),
            text("KIND", 9),
            text("PID", 4),
            number("R/S", 0),
            number("W/S", 0),
            number("OTHER/S", 8),
            number("READ/S", 1),
            number("WRITE/S", 1),
            number("DEPTH", 2),
            number("P50", 0),
            number("P99", 0),
            number("P99.9", 3),
            number("ERR/S", 7),
            number("SLOW/S", 8),
            number("IRQ/S", 5),
            number("CPU", 1),
            number("SERVER", 6));

    private TopTable() {}

    /** Its lines, none longer than {@code width}. */
    static List<String> lines(List<TopSampler.Row> rows, int width) {
        if (rows.isEmpty()) {
            return List.of();
        }
        Grid grid = new Grid(COLUMNS);
        for (TopSampler.Row row : rows) {
            boolean isKnown = row.total().isPresent();
            grid.row(cells(
                    row.function().address(),
                    row.function().kind(),
                    Long.toString(row.pid()),
                    row.total(),
                    isKnown ? Figures.percent(row.cpu()) : Figures.NONE,
                    isKnown ? Figures.percent(row.serverCpu()) : Figures.NONE));
            for (TopSampler.QueueRow queue : row.queues()) {
                grid.row(cells("  queue " + queue.queue(), "", "", queue.rates(), "", ""));
            }
        }
        return grid.lines(width);
    }

    private static List<String> cells(
            String name, String kind, String pid, Optional<Rates> known, String cpu, String serverCpu) {
        List<String> cells = new ArrayList<>(List.of(name, kind, pid));
        if (known.isPresent()) {
            Rates rates = known.get();
            cells.addAll(List.of(
                    Figures.count(Math.rint(rates.reads())),
                    Figures.count(Math.rint(rates.writes())),
                    Figures.count(Math.rint(rates.others())),
                    Figures.bytes(Math.rint(rates.readBytes())),
                    Figures.bytes(Math.rint(rates.writtenBytes())),
                    Figures.decimal(rates.depth()),
                    percentile(rates, 50),
                    percentile(rates, 99),
                    percentile(rates, 99.9),
                    Figures.count(Math.rint(rates.errors())),
                    Figures.count(Math.rint(rates.slow())),
                    Figures.count(Math.rint(rates.interrupts()))));
        } else {
            while (cells.size() < COLUMNS.size() - 2) {
                cells.add(Figures.NONE);
            }
        }
        cells.addAll(List.of(cpu, serverCpu));
        return cells;
    }

    private static String percentile(Rates rates, double percent) {
        return rates.latency().count() == 0
                ? Figures.NONE
                : Figures.duration(rates.latency().percentileNs(percent));
    }
}
