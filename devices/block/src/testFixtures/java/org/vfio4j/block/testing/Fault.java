package org.vfio4j.block.testing;

import static org.vfio4j.sys.Errno.ENOSPC;

/** What happens to requests that touch a range: told to a {@link FaultyBackend}. */
public sealed interface Fault {

    /** First byte. */
    long offset();

    /** How many bytes. */
    long length();

    /** Whether it befalls reads and flushes as well. */
    default boolean befallsReads() {
        return true;
    }

    /** Completes with an error, and nothing is done. A flush has the whole storage as its range. */
    record Fails(long offset, long length, int errno) implements Fault {}

    /** Neither starts nor completes until {@link FaultyBackend#release}, unless it is taken back. */
    record Stalls(long offset, long length) implements Fault {}

    /** As {@link Stalls}, and cannot be taken back: it reads or writes memory when it is released, and not before. */
    record Sticks(long offset, long length) implements Fault {}

    /** A transfer moves everything, and says that it moved half. */
    record FallsShort(long offset, long length) implements Fault {}

    /** There is no space for what is written there. */
    record Full(long offset, long length) implements Fault {

        int errno() {
            return ENOSPC;
        }

        @Override
        public boolean befallsReads() {
            return false;
        }
    }

    /** Whether a request for the range meets it. */
    default boolean meets(boolean write, long at, long bytes) {
        return (write || befallsReads()) && at < offset() + length() && offset() < at + bytes;
    }
}
