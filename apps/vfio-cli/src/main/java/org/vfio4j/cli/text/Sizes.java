package org.vfio4j.cli.text;

import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sizes as people write and read them; units are powers of 1024. */
public final class Sizes {

    private static final Pattern SYNTAX = Pattern.compile("(\\d{1,18})([KMGT]?)(i?B)?", Pattern.CASE_INSENSITIVE);
    private static final String UNITS = "KMGT";

    private Sizes() {}

    /** Bytes of {@code 512M}, {@code 1GiB}, {@code 4096}: the value of a {@code key=}. */
    public static long parse(String key, String text) {
        return parse(key, text, key + "=512M");
    }

    /** @param example what makes sense */
    public static long parse(String key, String text, String example) {
        Matcher m = SYNTAX.matcher(text);
        if (!m.matches()) {
            throw CliException.usage(
                    key + "=" + text + ": expected a size, a number with K, M, G or T behind it", example);
        }
        int power = UNITS.indexOf(m.group(2).toUpperCase(Locale.ROOT)) + 1;
        int shift = m.group(2).isEmpty() ? 0 : 10 * power;
        long number = Long.parseLong(m.group(1));
        if (number > Long.MAX_VALUE >> shift) {
            throw CliException.usage(key + "=" + text + ": over the limit of 8 EiB", example);
        }
        return number << shift;
    }

    /** As {@code 512 MiB}, {@code 1.5 GiB}. */
    public static String format(long bytes) {
        if (bytes < 1024) {
            return bytes + " B";
        }
        int unit = (63 - Long.numberOfLeadingZeros(bytes)) / 10;
        unit = Math.min(unit, UNITS.length());
        double value = (double) bytes / (1L << (10 * unit));
        String pattern = value == Math.rint(value) ? "%.0f %siB" : "%.1f %siB";
        return String.format(Locale.ROOT, pattern, value, UNITS.charAt(unit - 1));
    }
}
