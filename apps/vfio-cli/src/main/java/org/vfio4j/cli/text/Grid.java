package org.vfio4j.cli.text;

import java.util.ArrayList;
import java.util.List;

/**
 * A table of which the less important columns go when there is no room for all. Numbers stand at the right of their column, two
 * spaces apart.
 */
public final class Grid {

    /** @param rank those with the highest go first; 0 for what never goes */
    public record Column(String header, boolean isNumber, int rank) {

        public static Column text(String header, int rank) {
            return new Column(header, false, rank);
        }

        public static Column number(String header, int rank) {
            return new Column(header, true, rank);
        }
    }

    private static final int GAP = 2;

    private final List<Column> columns;
    private final List<List<String>> rows = new ArrayList<>();

    public Grid(List<Column> columns) {
        this.columns = columns;
        rows.add(columns.stream().map(Column::header).toList());
    }

    /** @param cells one for each column */
    public void row(List<String> cells) {
        if (cells.size() != columns.size()) {
            throw new IllegalArgumentException(cells.size() + " cells for " + columns.size() + " columns");
        }
        rows.add(cells);
    }

    /** Its lines, none longer than {@code width}: what does not fit although every column that may go has gone is cut off. */
    public List<String> lines(int width) {
        int[] widths = new int[columns.size()];
        for (List<String> row : rows) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], row.get(i).length());
            }
        }
        List<Integer> shown = shown(widths, width);
        return rows.stream().map(row -> line(row, shown, widths, width)).toList();
    }

    @Override
    public String toString() {
        return String.join("\n", lines(Integer.MAX_VALUE)) + "\n";
    }

    private List<Integer> shown(int[] widths, int width) {
        List<Integer> shown = new ArrayList<>();
        for (int i = 0; i < widths.length; i++) {
            shown.add(i);
        }
        while (shown.stream().mapToLong(i -> widths[i] + GAP).sum() - GAP > width) {
            int last = shown.stream()
                    .reduce((a, b) -> columns.get(b).rank() >= columns.get(a).rank() ? b : a)
                    .orElseThrow();
            if (columns.get(last).rank() == 0) {
                break;
            }
            shown.remove((Integer) last);
        }
        return shown;
    }

    private String line(List<String> row, List<Integer> shown, int[] widths, int width) {
        StringBuilder line = new StringBuilder();
        for (int i : shown) {
            String cell = row.get(i);
            String padding = " ".repeat(widths[i] - cell.length());
            line.append(columns.get(i).isNumber() ? padding + cell : cell + padding)
                    .append(" ".repeat(GAP));
        }
        return line.substring(0, Math.min(line.length(), width)).stripTrailing();
    }
}
