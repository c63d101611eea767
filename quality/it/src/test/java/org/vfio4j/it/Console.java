package org.vfio4j.it;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * The lines that a process prints, read by a thread of its own and handed to the test's thread in order, each wait with a
 * time limit. All lines are kept for the message of a wait that fails.
 */
final class Console {

    private static final int SHOWN_LINES = 60;
    private static final String END = "(end of output)";

    private final String name;
    private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
    private final List<String> transcript = new ArrayList<>();

    Console(String name, InputStream in) {
        this.name = name;
        Thread.ofPlatform().daemon().name("console-" + name).start(() -> readLines(in));
    }

    private void readLines(InputStream in) {
        StringBuilder line = new StringBuilder();
        byte[] chunk = new byte[4096];
        try (in) {
            for (int n = in.read(chunk); n >= 0; n = in.read(chunk)) {
                for (char c : new String(chunk, 0, n, StandardCharsets.ISO_8859_1).toCharArray()) {
                    if (c == '\n') {
                        add(line.toString());
                        line.setLength(0);
                    } else if (c != '\r') {
                        line.append(c);
                    }
                }
            }
        } catch (IOException e) {
            line.append(" (").append(e).append(')');
        }
        if (!line.isEmpty()) {
            add(line.toString());
        }
        add(END);
    }

    private void add(String line) {
        synchronized (transcript) {
            transcript.add(line);
        }
        lines.add(line);
    }

    /** The first line from here on that {@code wanted} accepts; all before it are passed over. */
    String await(String what, Predicate<String> wanted, Duration limit) {
        return until(what, wanted, limit).getLast();
    }

    /** All lines from here on up to and with the first one that {@code wanted} accepts. */
    List<String> until(String what, Predicate<String> wanted, Duration limit) {
        List<String> passed = new ArrayList<>();
        long end = System.nanoTime() + limit.toNanos();
        try {
            while (true) {
                String line = lines.poll(end - System.nanoTime(), TimeUnit.NANOSECONDS);
                if (line == null) {
                    throw new AssertionError("no " + what + " within " + limit.toSeconds() + " s from " + this);
                }
                if (line.equals(END)) {
                    lines.add(END);
                    throw new AssertionError("output ended before " + what + ": " + this);
                }
                passed.add(line);
                if (wanted.test(line)) {
                    return passed;
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted while waiting for " + what, e);
        }
    }

    boolean hasPrinted(String part) {
        synchronized (transcript) {
            return transcript.stream().anyMatch(line -> line.contains(part));
        }
    }

    /** The name and the last lines. */
    @Override
    public String toString() {
        synchronized (transcript) {
            List<String> last = transcript.subList(Math.max(0, transcript.size() - SHOWN_LINES), transcript.size());
            return name + ", which printed:\n  " + String.join("\n  ", last);
        }
    }
}
