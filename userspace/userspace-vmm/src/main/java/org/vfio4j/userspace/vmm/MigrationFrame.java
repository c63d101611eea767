package org.vfio4j.userspace.vmm;

/**
 * The pieces of a migration's stream. Each has a header of little-endian numbers:
 *
 * <pre>
 *    0       4       8              16              24
 *    +-------+-------+---------------+---------------+---------
 *    | type  | index |    value      |    length     |  data
 *    +-------+-------+---------------+---------------+---------
 * </pre>
 *
 * <p>The value of PAGES and ZEROES is an address, that of STORAGE and STORAGE_ZEROES an offset in the disk that the index names, that of
 * REFUSED and FAILED an errno; for the others both are 0. Length counts the data, and for ZEROES and STORAGE_ZEROES, which have none,
 * what becomes zero.
 */
final class MigrationFrame {

    static final int TYPE = 0;
    static final int INDEX = 4;
    static final int VALUE = 8;
    static final int LENGTH = 16;
    static final int HEADER_BYTES = 24;

    // From the source.
    static final int HELLO = 1;
    static final int PAGES = 2;
    static final int ZEROES = 3;
    static final int DEVICE = 4;
    static final int ROUND = 5;
    static final int CONFIG = 6;
    static final int MSIX_TABLE = 7;
    static final int MSIX_PENDING = 8;
    static final int GUEST = 9;
    static final int END = 10;
    static final int GO = 11;
    static final int STORAGE = 12;
    static final int STORAGE_ZEROES = 13;

    // From the destination.
    static final int ACCEPTED = 64;
    static final int REFUSED = 65;
    static final int ROUND_DONE = 66;
    static final int READY = 67;
    static final int RUNNING = 68;
    static final int FAILED = 69;

    /** The most data that a frame has, pages apart: these go straight into memory that exists. */
    static final int MAX_DATA = 16 << 20;

    /** The most that one frame of pages has. */
    static final int MAX_PAGES_BYTES = 2 << 20;

    /** The most that one frame of a disk has. */
    static final int MAX_STORAGE_BYTES = 1 << 20;

    private MigrationFrame() {}

    /** Whether a frame is about a disk, which its index names. */
    static boolean isStorage(int type) {
        return type == STORAGE || type == STORAGE_ZEROES;
    }

    static String name(int type) {
        return switch (type) {
            case HELLO -> "HELLO";
            case PAGES -> "PAGES";
            case ZEROES -> "ZEROES";
            case DEVICE -> "DEVICE";
            case ROUND -> "ROUND";
            case CONFIG -> "CONFIG";
            case MSIX_TABLE -> "MSIX_TABLE";
            case MSIX_PENDING -> "MSIX_PENDING";
            case GUEST -> "GUEST";
            case END -> "END";
            case GO -> "GO";
            case STORAGE -> "STORAGE";
            case STORAGE_ZEROES -> "STORAGE_ZEROES";
            case ACCEPTED -> "ACCEPTED";
            case REFUSED -> "REFUSED";
            case ROUND_DONE -> "ROUND_DONE";
            case READY -> "READY";
            case RUNNING -> "RUNNING";
            case FAILED -> "FAILED";
            default -> "frame " + Integer.toUnsignedString(type);
        };
    }
}
