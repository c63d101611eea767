package org.vfio4j.testkit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.vfio4j.sys.Mapping;

/**
 * The open descriptors of this process, its mappings, and its threads of this project, at one moment; and the check that no more of them are
 * there later. What the JVM opens for itself, jars and the like, does not count.
 */
public final class Leaks {

    private static final Path FD_DIRECTORY = Path.of("/proc/self/fd");
    private static final String THREAD_PREFIX = "vfio";
    private static final long PATIENCE_NS = 10_000_000_000L;

    private final Map<String, Integer> descriptors;
    private final Set<Long> threads;
    private final int mappings = Mapping.openCount();

    private Leaks(Map<String, Integer> descriptors, Set<Long> threads) {
        this.descriptors = descriptors;
        this.threads = threads;
    }

    /** What is open and running now. */
    public static Leaks snapshot() {
        Set<Long> threads = new HashSet<>();
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            threads.add(thread.threadId());
        }
        return new Leaks(openDescriptors(), threads);
    }

    /** How many descriptors are open now, by the same count. */
    public static int descriptorCount() {
        return openDescriptors().values().stream().mapToInt(Integer::intValue).sum();
    }

    /** Fails when, after a while, there is still something that was not there at the snapshot. */
    public void assertNone() {
        long deadline = System.nanoTime() + PATIENCE_NS;
        List<String> found = leaks();
        while (!found.isEmpty() && System.nanoTime() < deadline) {
            sleep();
            found = leaks();
        }
        if (!found.isEmpty()) {
            throw new AssertionError("left behind: " + String.join(", ", found));
        }
    }

    private List<String> leaks() {
        List<String> found = new ArrayList<>();
        openDescriptors().forEach((target, count) -> {
            int more = count - descriptors.getOrDefault(target, 0);
            if (more > 0) {
                found.add(more + " x " + target);
            }
        });
        if (Mapping.openCount() > mappings) {
            found.add(Mapping.openCount() - mappings + " mappings");
        }
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().startsWith(THREAD_PREFIX) && !threads.contains(thread.threadId())) {
                found.add("thread " + thread.getName());
            }
        }
        return found;
    }

    // By what they refer to: a socket's or a memory's link names its inode or its name, eventfds are all alike.
    private static Map<String, Integer> openDescriptors() {
        Map<String, Integer> counts = new HashMap<>();
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(FD_DIRECTORY)) {
            for (Path entry : entries) {
                String target = target(entry);
                if (!target.isEmpty()) {
                    counts.merge(target, 1, Integer::sum);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return counts;
    }

    private static String target(Path entry) {
        try {
            String target = Files.readSymbolicLink(entry).toString();
            boolean ownOfJvm = target.startsWith("/proc/")
                    || target.endsWith(".jar")
                    || target.endsWith("/modules")
                    || target.startsWith("/dev/");
            return ownOfJvm ? "" : target;
        } catch (IOException e) {
            // Closed meanwhile.
            return "";
        }
    }

    private static void sleep() {
        try {
            Thread.sleep(10);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }
}
