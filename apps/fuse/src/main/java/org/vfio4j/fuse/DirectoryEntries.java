package org.vfio4j.fuse;

import java.nio.charset.StandardCharsets;
import java.util.List;

/** What a read of a directory is answered with: an array of {@code struct fuse_dirent}. */
final class DirectoryEntries {

    private static final int DT_UNKNOWN = 0;
    private static final int DT_DIR = 4;
    private static final int DIRENT_BYTES = 24;
    /** Not zero, which would hide an entry. What it leads to has its number when it is looked up. */
    private static final long NO_INO = 0xffff_ffffL;

    private static final List<String> DOTS = List.of(".", "..");

    private DirectoryEntries() {}

    /**
     * Puts as many entries as there is room for.
     *
     * @param offset how many were told before
     * @param room bytes of the reply's body
     */
    static void put(FuseReply reply, List<String> names, long offset, int room) {
        int count = DOTS.size() + names.size();
        for (int i = (int) Math.min(Math.max(offset, 0), count); i < count; i++) {
            boolean isDot = i < DOTS.size();
            byte[] name = (isDot ? DOTS.get(i) : names.get(i - DOTS.size())).getBytes(StandardCharsets.UTF_8);
            int padded = DIRENT_BYTES + name.length + 7 & ~7;
            if (reply.bodyBytes() + padded > room) {
                return;
            }
            reply.u64(NO_INO).u64(i + 1L).u32(name.length).u32(isDot ? DT_DIR : DT_UNKNOWN);
            reply.raw(name).zeroes(padded - DIRENT_BYTES - name.length);
        }
    }
}
