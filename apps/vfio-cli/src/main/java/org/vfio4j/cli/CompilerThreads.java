package org.vfio4j.cli;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * The JVM's compilers, which go on for a while after code has become hot. On few processors they take these from whom somebody is about to
 * wait for.
 */
final class CompilerThreads {

    private static final Path TASKS = Path.of("/proc/self/task");
    private static final long LIMIT_NS = 1_000_000_000L;
    private static final long LOOK_NS = 20_000_000;

    /** What they may need between two looks and count as idle. */
    private static final long IDLE_NS = LOOK_NS / 10;

    private CompilerThreads() {}

    /**
     * Waits until they have caught up, for a second at most. Where the kernel does not tell what threads need, it waits for nothing.
     *
     * @param wanted whether it is to go on: asked before each look
     */
    static void awaitIdle(BooleanSupplier wanted) {
        long end = System.nanoTime() + LIMIT_NS;
        long before = usedNs();
        long used = Long.MAX_VALUE;
        while (used > IDLE_NS && System.nanoTime() - end < 0 && wanted.getAsBoolean()) {
            LockSupport.parkNanos(LOOK_NS);
            long now = usedNs();
            used = now - before;
            before = now;
        }
    }

    /** @param task a thread's directory in {@code /proc} */
    static boolean isOne(Path task) throws IOException {
        String name = Files.readString(task.resolve("comm"));
        return name.startsWith("C1 Compiler") || name.startsWith("C2 Compiler");
    }

    /** How long they have had a processor, in all: proc(5), schedstat. */
    private static long usedNs() {
        long sum = 0;
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(TASKS)) {
            for (Path task : tasks) {
                sum += usedNs(task);
            }
        } catch (IOException e) {
            return 0;
        }
        return sum;
    }

    private static long usedNs(Path task) {
        try {
            if (!isOne(task)) {
                return 0;
            }
            String text = Files.readString(task.resolve("schedstat"));
            return Long.parseLong(text.substring(0, text.indexOf(' ')));
        } catch (IOException e) {
            // A thread that has ended meanwhile.
            return 0;
        }
    }
}
