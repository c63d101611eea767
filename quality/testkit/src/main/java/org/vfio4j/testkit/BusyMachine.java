package org.vfio4j.testkit;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The excuse for trying again what has a limit in time of its own, as an upgrade has. It holds on a machine that is busy, by the
 * kernel's pressure stall information (Documentation/accounting/psi.rst), and is never used in silence.
 */
public final class BusyMachine {

    /** What {@code .ci/run} counts. */
    private static final String TRIED_AGAIN = "[WARNING] TRIED AGAIN";

    private static final Path PRESSURE = Path.of("/proc/pressure/cpu");
    private static final Pattern LAST_10_S = Pattern.compile("some avg10=([0-9.]+)");
    private static final double BUSY_PERCENT = 25;

    private BusyMachine() {}

    /**
     * Says that something is tried again.
     *
     * @param failure what was too slow
     * @throws AssertionError when no process had to wait for a processor
     */
    public static void excuse(String failure) {
        excuse(failure, pressurePercent());
    }

    /** @param pressurePercent of the last seconds, in which some process waited for a processor; empty where the kernel does not tell */
    public static void excuse(String failure, OptionalDouble pressurePercent) {
        String pressure = pressurePercent.isEmpty()
                ? "at an unknown pressure"
                : String.format(Locale.ROOT, "at a pressure of %.0f %%", pressurePercent.getAsDouble());
        if (pressurePercent.orElse(BUSY_PERCENT) < BUSY_PERCENT) {
            throw new AssertionError("too slow on a machine that is not busy, " + pressure + ": " + failure);
        }
        System.err.println(TRIED_AGAIN + " " + pressure + ": " + failure.strip());
    }

    private static OptionalDouble pressurePercent() {
        try {
            Matcher last = LAST_10_S.matcher(Files.readString(PRESSURE));
            return last.find() ? OptionalDouble.of(Double.parseDouble(last.group(1))) : OptionalDouble.empty();
        } catch (IOException e) {
            return OptionalDouble.empty(); // CONFIG_PSI is off
        }
    }
}
