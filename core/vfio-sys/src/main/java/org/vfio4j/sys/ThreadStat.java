package org.vfio4j.sys;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * A thread of this process, as the kernel sees it: proc_pid_stat(5).
 *
 * @param task its directory in {@code /proc/self/task}
 * @param tid its number
 * @param name the first 15 characters
 * @param state {@code R} for one that has a processor or waits for one
 * @param nice -20 (most important) to 19
 */
public record ThreadStat(Path task, int tid, String name, char state, int nice) {

    private static final Path TASKS = Path.of("/proc/self/task");
    private static final Path OWN = Path.of("/proc/thread-self/stat");

    // After the name, which is in parentheses and may have any character.
    private static final int STATE = 0;
    private static final int NICE = 16;

    /**
     * All that there are; those that begin or end meanwhile may be in it or not.
     *
     * @throws IOException without a readable {@code /proc}
     */
    public static List<ThreadStat> all() throws IOException {
        List<ThreadStat> all = new ArrayList<>();
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(TASKS)) {
            for (Path task : tasks) {
                of(task).ifPresent(all::add);
            }
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
        return all;
    }

    /**
     * The calling thread.
     *
     * @throws IOException without a readable {@code /proc}
     */
    public static ThreadStat own() throws IOException {
        return parse(Files.readString(OWN));
    }

    /** Whether it has not ended yet. */
    public boolean isThere() {
        return Files.exists(task);
    }

    /** For how many nanoseconds it has had a processor: nothing when it has ended, or the kernel does not tell. */
    public long usedNs() {
        try {
            String text = Files.readString(task.resolve("schedstat"));
            return Long.parseLong(text.substring(0, Math.max(0, text.indexOf(' '))));
        } catch (IOException | NumberFormatException e) {
            return 0;
        }
    }

    private static Optional<ThreadStat> of(Path task) {
        try {
            return Optional.of(parse(Files.readString(task.resolve("stat"))));
        } catch (IOException e) {
            // It has ended.
            return Optional.empty();
        }
    }

    private static ThreadStat parse(String stat) {
        int open = stat.indexOf('(');
        int close = stat.lastIndexOf(')');
        String[] fields = stat.substring(close + 2).split(" ", -1);
        String tid = stat.substring(0, open - 1);
        return new ThreadStat(
                TASKS.resolve(tid),
                Integer.parseInt(tid),
                stat.substring(open + 1, close),
                fields[STATE].charAt(0),
                Integer.parseInt(fields[NICE]));
    }
}
