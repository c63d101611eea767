package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EMFILE;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vfio4j.bus.DmaMemory;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Mapping;
import org.vfio4j.vfio.DmaBacking;

/**
 * What the kernel gives a process only so many of, and clients together must not use up: without mappings to spare the JVM cannot
 * start a thread, without descriptors no other client can be served. Shared by all servers of the process.
 */
final class ProcessLimits {

    /** What a busy JVM needs for itself, and more: each thread takes two. */
    private static final int MAPPINGS_KEPT_BACK = 4096;

    private static final int LINUX_MAPPINGS = 65530;
    private static final int LINUX_DESCRIPTORS = 1024;
    private static final int MOST_BYTES = 8192;

    private static final Pattern NUMBER = Pattern.compile("\\d+");
    private static final Pattern OPEN_FILES = Pattern.compile("Max open files\\s+(\\d+)");

    private static final int MAX_MAPPINGS =
            Math.max(number("/proc/sys/vm/max_map_count", NUMBER, LINUX_MAPPINGS) - MAPPINGS_KEPT_BACK, 0);

    /** Half of them: the rest is for sockets, eventfds and files. */
    private static final int MAX_DESCRIPTORS = number("/proc/self/limits", OPEN_FILES, LINUX_DESCRIPTORS) / 2;

    private static final AtomicInteger DESCRIPTORS = new AtomicInteger();

    /** Of the rest, half for what a server that takes over would need. */
    private static final int MAX_KEPT = MAX_DESCRIPTORS / 2;

    private static final AtomicInteger KEPT = new AtomicInteger();

    private ProcessLimits() {}

    /** Counts a descriptor that is kept for a server that takes over; false when there are too many. */
    static boolean keepDescriptor() {
        if (KEPT.incrementAndGet() > MAX_KEPT) {
            KEPT.decrementAndGet();
            return false;
        }
        return true;
    }

    /** One that {@link #keepDescriptor} has counted is closed. */
    static void dropDescriptor() {
        KEPT.decrementAndGet();
    }

    /** Whether one more piece of memory may be mapped. Two that ask at once may both be told so. */
    static boolean roomForMapping() {
        return Mapping.openCount() < MAX_MAPPINGS;
    }

    /**
     * The same memory, reached by its descriptor, which counts until it is closed.
     *
     * @throws ErrnoException EMFILE when clients keep as many as they may; {@code backing} is left to the caller
     */
    static DmaBacking counted(DmaBacking backing) {
        if (DESCRIPTORS.incrementAndGet() > MAX_DESCRIPTORS) {
            DESCRIPTORS.decrementAndGet();
            throw new ErrnoException(
                    EMFILE, "DMA_MAP: clients of this process keep " + MAX_DESCRIPTORS + " descriptors of memory");
        }
        return new Counted(backing);
    }

    private record Counted(DmaBacking backing) implements DmaBacking {

        @Override
        public boolean isRemote() {
            return backing.isRemote();
        }

        @Override
        public int read(long offset, long hostAddress, long length) {
            return backing.read(offset, hostAddress, length);
        }

        @Override
        public int write(long offset, long hostAddress, long length) {
            return backing.write(offset, hostAddress, length);
        }

        @Override
        public Optional<DmaMemory> memory() {
            return backing.memory();
        }

        @Override
        public void close() {
            backing.close();
            DESCRIPTORS.decrementAndGet();
        }
    }

    private static int number(String file, Pattern pattern, int otherwise) {
        try (InputStream in = Files.newInputStream(Path.of(file))) {
            // In one piece: a file of /proc/sys has nothing more to say to a second read.
            String text = new String(in.readNBytes(MOST_BYTES), StandardCharsets.US_ASCII);
            Matcher found = pattern.matcher(text);
            if (found.find()) {
                String digits = found.group(found.groupCount());
                return (int) Math.min(Long.parseLong(digits), Integer.MAX_VALUE);
            }
        } catch (IOException | NumberFormatException e) {
            // No Linux of the usual kind, or no limit that fits a number: what Linux has by default is no worse a
            // guess.
        }
        return otherwise;
    }
}
