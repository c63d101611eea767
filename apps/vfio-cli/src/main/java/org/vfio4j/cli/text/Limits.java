package org.vfio4j.cli.text;

import java.math.BigDecimal;

/** Numbers of the command line, within limits. Stateless. */
public final class Limits {

    private Limits() {}

    /**
     * @param option as it is written
     * @param example a value that makes sense
     * @throws CliException for a value that is out of its limits
     */
    public static void check(String option, long value, long least, long most, String example) {
        if (value < least || value > most) {
            throw refused(option, Long.toString(value), Long.toString(least), Long.toString(most), example);
        }
    }

    /** The same for one that need not be whole; one that is no number is out of all limits. */
    public static void check(String option, double value, double least, double most, String example) {
        if (!(value >= least && value <= most)) {
            throw refused(option, plain(value), plain(least), plain(most), example);
        }
    }

    private static CliException refused(String option, String value, String least, String most, String example) {
        return CliException.usage(
                option + " " + value + ": the limits are " + least + " and " + most, option + " " + example);
    }

    private static String plain(double value) {
        return Double.isFinite(value)
                ? BigDecimal.valueOf(value).stripTrailingZeros().toPlainString()
                : Double.toString(value);
    }
}
