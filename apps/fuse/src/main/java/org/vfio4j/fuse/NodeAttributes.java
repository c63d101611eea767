package org.vfio4j.fuse;

import java.nio.charset.StandardCharsets;
import java.time.Instant;

/** What the kernel is told of a node: {@code struct fuse_attr}, and what it is wrapped in. It is to remember none of it. */
final class NodeAttributes {

    private static final int S_IFDIR = 0040000;
    private static final int S_IFREG = 0100000;
    private static final int S_IFLNK = 0120000;
    private static final int DIRECTORY_MODE = 0755;
    private static final int LINK_MODE = 0777;
    private static final int BLOCK_BYTES = 4096;
    private static final int NAME_MAX = 255;

    private final FileOwner owner;
    // Of all nodes: nobody notes when what changed.
    private final Instant since = Instant.now();

    NodeAttributes(FileOwner owner) {
        this.owner = owner;
    }

    /** {@code struct fuse_entry_out}. */
    void putEntry(FuseReply reply, long id, FuseNode node) {
        // Generation, and for how long the name and the attributes are good: for now.
        reply.u64(id).u64(0).u64(0).u64(0).u32(0).u32(0);
        put(reply, id, node);
    }

    /** {@code struct fuse_attr_out}. */
    void putAttr(FuseReply reply, long id, FuseNode node) {
        reply.u64(0).u32(0).u32(0);
        put(reply, id, node);
    }

    /** {@code struct fuse_kstatfs}: a file system without blocks. */
    static void putStatfs(FuseReply reply) {
        reply.zeroes(5 * Long.BYTES)
                .u32(BLOCK_BYTES)
                .u32(NAME_MAX)
                .u32(BLOCK_BYTES)
                .zeroes(7 * Integer.BYTES);
    }

    private void put(FuseReply reply, long id, FuseNode node) {
        long seconds = since.getEpochSecond();
        int nanos = since.getNano();
        reply.u64(id).u64(size(node)).u64(0);
        reply.u64(seconds).u64(seconds).u64(seconds).u32(nanos).u32(nanos).u32(nanos);
        reply.u32(mode(node)).u32(node instanceof FuseNode.Directory ? 2 : 1);
        reply.u32(owner.uid()).u32(owner.gid()).u32(0).u32(BLOCK_BYTES).u32(0);
    }

    private static long size(FuseNode node) {
        return switch (node) {
            case FuseNode.Directory directory -> 0;
            case FuseNode.Link link -> link.target().getBytes(StandardCharsets.UTF_8).length;
            case FuseNode.File file -> file.sizeBytes();
        };
    }

    private static int mode(FuseNode node) {
        return switch (node) {
            case FuseNode.Directory directory -> S_IFDIR | DIRECTORY_MODE;
            case FuseNode.Link link -> S_IFLNK | LINK_MODE;
            case FuseNode.File file -> S_IFREG | file.mode();
        };
    }
}
