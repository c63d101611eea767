package org.vfio4j.cli.text;

import java.util.List;
import java.util.Locale;

/** Counts, rates, durations as people read them: three digits and a unit. Units of rates are powers of 1000. */
public final class Figures {

    /** What stands for a figure that is not known. */
    public static final String NONE = "-";

    private static final List<String> COUNTS = List.of("", "k", "M", "G", "T");
    private static final List<String> BYTES = List.of("B", "kB", "MB", "GB", "TB");
    private static final List<String> DURATIONS = List.of("ns", "us", "ms", "s");
    private static final double STEP = 1000;

    private Figures() {}

    /** As {@code 950}, {@code 12.3k}, {@code 1.21M}. */
    public static String count(double value) {
        return scaled(value, COUNTS, "");
    }

    /** Bytes, or bytes in a second: {@code 412 MB}. */
    public static String bytes(double value) {
        return scaled(value, BYTES, " ");
    }

    /** As {@code 7.2us}, {@code 12.1ms}. */
    public static String duration(double ns) {
        return scaled(ns, DURATIONS, "");
    }

    /** A share of one processor: {@code 87%}. */
    public static String percent(double share) {
        return String.format(Locale.ROOT, "%.0f%%", share * 100);
    }

    /** A small number: {@code 31.9}. */
    public static String decimal(double value) {
        return scaled(value, COUNTS, "");
    }

    private static String scaled(double value, List<String> units, String gap) {
        int unit = 0;
        double left = value;
        // What would be rounded up to four digits has the next unit.
        while (left >= STEP - 0.5 && unit < units.size() - 1) {
            left /= STEP;
            unit++;
        }
        boolean isWhole = unit == 0 && left == Math.rint(left);
        String pattern = isWhole || left >= 99.95 ? "%.0f" : left >= 9.995 ? "%.1f" : "%.2f";
        return String.format(Locale.ROOT, pattern, left) + gap + units.get(unit);
    }
}
