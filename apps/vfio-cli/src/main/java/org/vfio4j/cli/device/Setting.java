package org.vfio4j.cli.device;

import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.sys.Cpus;
import org.vfio4j.sys.ErrnoException;

/**
 * A {@code key=value} of a device on the command line.
 *
 * @param key what comes before the first {@code =}
 * @param value what follows it, empty for a key that stands alone
 */
public record Setting(String key, String value) {

    private static final Pattern DURATION = Pattern.compile("(\\d{1,9})(us|ms|s)");
    private static final long MAX_DURATION_NS = 3_600_000_000_000L;
    private static final Pattern MICROSECONDS = Pattern.compile("\\d{1,7}");
    private static final int MOST_MICROSECONDS = 1_000_000;

    /** @param words each {@code key=value} or several of them with commas between; ",," stands for a comma in a value */
    public static List<Setting> parse(List<String> words) {
        List<Setting> settings = new ArrayList<>();
        for (String word : words) {
            for (String text : word.replace(",,", "\0").split(",")) {
                settings.add(of(text.replace('\0', ',')));
            }
        }
        return settings;
    }

    /** Settings as one word, for {@link #parse}. */
    public static String join(List<Setting> settings) {
        return settings.stream()
                .map(setting -> setting.toString().replace(",", ",,"))
                .collect(Collectors.joining(","));
    }

    /** @param setting {@code key=value} or {@code key}; commas are the value's */
    public static Setting of(String setting) {
        int equals = setting.indexOf('=');
        return equals < 0
                ? new Setting(setting, "")
                : new Setting(setting.substring(0, equals), setting.substring(equals + 1));
    }

    /** Refuses a value that is missing. */
    void needValue(String example) {
        if (value.isEmpty()) {
            throw CliException.usage(key + " needs a value", example);
        }
    }

    /** A switch: {@code key}, {@code key=on}, {@code key=off}. */
    boolean isOn() {
        return switch (value) {
            case "", "on", "true" -> true;
            case "off", "false" -> false;
            default -> throw CliException.usage(this + ": expected on or off", key);
        };
    }

    /** A number within limits. */
    public int number(int least, int most) {
        try {
            int number = Integer.parseInt(value);
            if (number >= least && number <= most) {
                return number;
            }
        } catch (NumberFormatException e) {
            // told below
        }
        throw CliException.usage(this + ": expected a number from " + least + " to " + most, key + "=" + least);
    }

    boolean isOff() {
        return value.equals("off");
    }

    /** A duration in nanoseconds, of {@code 500us}, {@code 10ms}, {@code 2s}: up to an hour. */
    long durationNs() {
        Matcher m = DURATION.matcher(value);
        if (m.matches()) {
            long unitNs = switch (m.group(2)) {
                case "us" -> 1_000;
                case "ms" -> 1_000_000;
                default -> 1_000_000_000;
            };
            long ns = Long.parseLong(m.group(1)) * unitNs;
            if (ns <= MAX_DURATION_NS) {
                return ns;
            }
        }
        throw CliException.usage(this + ": expected a time up to an hour, as 500us, 10ms or 2s", key + "=10ms");
    }

    /** How a queue thread waits: a word, or for how many microseconds it polls. */
    QueuePolling polling() {
        return switch (value) {
            case "adaptive" -> QueuePolling.ADAPTIVE;
            case "always" -> QueuePolling.ALWAYS;
            case "off" -> QueuePolling.NEVER;
            default -> {
                if (!MICROSECONDS.matcher(value).matches() || Integer.parseInt(value) > MOST_MICROSECONDS) {
                    throw CliException.usage(
                            this + ": expected adaptive, always, off, or microseconds up to " + MOST_MICROSECONDS,
                            key + "=adaptive");
                }
                yield QueuePolling.spinning(Duration.of(Integer.parseInt(value), ChronoUnit.MICROS));
            }
        };
    }

    /** How a file's requests reach the kernel. */
    FileIoMode ioMode() {
        return switch (value) {
            case "auto" -> FileIoMode.AUTO;
            case "uring" -> FileIoMode.URING;
            case "iopoll" -> FileIoMode.IOPOLL;
            case "sync" -> FileIoMode.SYNC;
            default -> throw CliException.usage(this + ": expected auto, uring, iopoll or sync", key + "=auto");
        };
    }

    /** Processors, as the kernel writes them. */
    Cpus cpus() {
        try {
            Cpus cpus = Cpus.parse(value);
            cpus.checkAllowed();
            return cpus;
        } catch (ErrnoException e) {
            throw CliException.usage(this + ": " + e.getMessage(), key + "=" + Cpus.allowed());
        }
    }

    /** A key that the device does not have. */
    CliException unknown(String kind, List<String> keys) {
        return CliException.usage(kind + " has no setting '" + key + "'", suggestion(key, keys));
    }

    @Override
    public String toString() {
        return key + "=" + value;
    }

    /** Which of {@code keys} was meant, perhaps, and which there are. */
    public static String suggestion(String key, List<String> keys) {
        String nearest = keys.stream()
                .min(Comparator.comparingInt(known -> distance(key, known)))
                .orElseThrow();
        String all = String.join(", ", keys);
        return distance(key, nearest) < Math.max(key.length(), nearest.length()) / 2 + 1
                ? nearest + ", of " + all
                : "one of " + all;
    }

    /** How many letters must change, come or go (Levenshtein). */
    private static int distance(String from, String to) {
        int[] row = new int[to.length() + 1];
        for (int j = 0; j <= to.length(); j++) {
            row[j] = j;
        }
        for (int i = 1; i <= from.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= to.length(); j++) {
                int change = diagonal + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(change, Math.min(row[j], row[j - 1]) + 1);
            }
        }
        return row[to.length()];
    }
}
