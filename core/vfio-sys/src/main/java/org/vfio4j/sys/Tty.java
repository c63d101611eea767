package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * A terminal that gives each key at once and does not show it, until this is closed: termios(3). What the keys for signals do stays.
 * Belongs to one thread.
 */
public final class Tty implements AutoCloseable {

    // struct termios: four flag words, a byte, and the control characters.
    private static final long SIZEOF = 60;
    private static final long LOCAL_FLAGS = 12;
    private static final long CONTROL_CHARACTERS = 17;
    private static final int VTIME = 5;
    private static final int VMIN = 6;
    private static final int ICANON = 2;
    private static final int ECHO = 8;
    private static final int TCSANOW = 0;

    private static final long TIOCGWINSZ = 0x5413;
    private static final long WINSIZE_SIZEOF = 8;
    private static final long COLUMNS = 2;

    private static final CFunction TCGETATTR = CFunction.of("tcgetattr");
    private static final CFunction TCSETATTR = CFunction.of("tcsetattr");
    private static final CFunction IOCTL = CFunction.of("ioctl");
    private static final CFunction READ = CFunction.of("read");

    /** Of a terminal's window, in characters. */
    public record Size(int rows, int columns) {}

    private final int fd;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment before = arena.allocate(SIZEOF);
    private final MemorySegment key = arena.allocate(1);

    /**
     * @param fd a terminal's; not closed by this
     * @throws ErrnoException ENOTTY for anything else
     */
    public Tty(int fd) {
        this.fd = fd;
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment now = scratch.allocate(SIZEOF);
            ErrnoException.check(TCGETATTR.callInt(fd, before.address()), "tcgetattr " + fd);
            now.copyFrom(before);
            now.set(JAVA_INT, LOCAL_FLAGS, now.get(JAVA_INT, LOCAL_FLAGS) & ~(ICANON | ECHO));
            // A read does not wait: whoever wants to wait polls.
            now.set(JAVA_BYTE, CONTROL_CHARACTERS + VMIN, (byte) 0);
            now.set(JAVA_BYTE, CONTROL_CHARACTERS + VTIME, (byte) 0);
            ErrnoException.check(TCSETATTR.callInt(fd, TCSANOW, now.address()), "tcsetattr " + fd);
        } catch (ErrnoException e) {
            arena.close();
            throw e;
        }
    }

    /** Whether {@code fd} is a terminal. */
    public static boolean isTerminal(int fd) {
        try (Arena scratch = Arena.ofConfined()) {
            return TCGETATTR.callInt(fd, scratch.allocate(SIZEOF).address()) == 0;
        }
    }

    /** The size of a terminal's window; empty where there is none, or where it is not known. */
    public static Optional<Size> size(int fd) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment size = scratch.allocate(WINSIZE_SIZEOF, Short.BYTES);
            if (IOCTL.callInt(fd, TIOCGWINSZ, size.address()) != 0) {
                return Optional.empty();
            }
            int rows = Short.toUnsignedInt(size.get(JAVA_SHORT, 0));
            int columns = Short.toUnsignedInt(size.get(JAVA_SHORT, COLUMNS));
            return rows == 0 || columns == 0 ? Optional.empty() : Optional.of(new Size(rows, columns));
        }
    }

    /** A key that has been pressed; -1 for none, and when the terminal has gone. Does not wait. */
    public int key() {
        return READ.callInt(fd, key.address(), 1) == 1 ? Byte.toUnsignedInt(key.get(JAVA_BYTE, 0)) : -1;
    }

    /** The terminal is as it was before. */
    @Override
    public void close() {
        TCSETATTR.callInt(fd, TCSANOW, before.address());
        arena.close();
    }
}
