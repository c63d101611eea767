package org.vfio4j.fuse;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EBADF;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.EISDIR;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ENOSYS;
import static org.vfio4j.sys.Errno.ENOTDIR;
import static org.vfio4j.sys.Errno.EPERM;

import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.Poll;

/**
 * Answers the kernel's requests for one mounted file system (linux/fuse.h, version 7.26 or newer). One thread reads them and answers
 * all that needs no waiting; a write has a thread of its own, so that one that waits keeps nobody from reading.
 */
final class FuseSession implements Runnable {

    private static final System.Logger LOG = System.getLogger(FuseSession.class.getName());

    private static final int MAJOR = 7;
    private static final int MINOR = 31;
    private static final int OLDEST_MINOR = 26;
    private static final int FUSE_PARALLEL_DIROPS = 1 << 18;
    private static final int FOPEN_DIRECT_IO = 1;
    private static final int MAX_BACKGROUND = 16;
    private static final int PAGE_BYTES = 4096;

    /** More than the kernel ever asks for in a read of a directory or a file of this file system. */
    private static final int MAX_READ_BYTES = 128 << 10;

    /** At least FUSE_MIN_READ_BUFFER, and a write of a page. */
    private static final int REQUEST_BYTES = 16 << 10;

    // Of requests: offsets behind the header. struct fuse_read_in and fuse_write_in begin alike.
    private static final int FH = 0;
    private static final int OFFSET = 8;
    private static final int SIZE = 16;
    private static final int WRITE_IN_BYTES = 40;
    private static final int FORGET_ONE_BYTES = 16;

    // struct fuse_setattr_in: valid, and what it may have set.
    private static final int FATTR_MODE = 1;
    private static final int FATTR_UID = 2;
    private static final int FATTR_GID = 4;

    private final Fd device;
    private final Fd stop;
    private final NodeTable nodes;
    private final NodeAttributes attributes;
    private final FuseWriter writer;
    private final Map<Long, FuseNode.Handle> files = new HashMap<>();
    private final Map<Long, List<String>> listings = new HashMap<>();
    private long lastHandle;

    /**
     * @param device an open, mounted /dev/fuse, that does not wait
     * @param stop an eventfd that ends the session
     * @param owner whose all files are
     */
    FuseSession(Fd device, Fd stop, FuseNode.Directory root, FileOwner owner) {
        this.device = device;
        this.stop = stop;
        nodes = new NodeTable(root);
        attributes = new NodeAttributes(owner);
        writer = new FuseWriter(device);
    }

    /** Those that write, for who ends the session. */
    FuseWriter writer() {
        return writer;
    }

    /** Answers until the file system is unmounted or {@code stop} is signalled. */
    @Override
    public void run() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment in = arena.allocate(REQUEST_BYTES, Long.BYTES);
            MemorySegment out = arena.allocate(MAX_READ_BYTES + PAGE_BYTES, Long.BYTES);
            while (true) {
                int ready = Poll.poll(device.value(), Poll.POLLIN, stop.value(), Poll.POLLIN, Poll.FOREVER);
                if (ready >>> Poll.OTHER != 0 && ready > 0) {
                    return;
                }
                long length = FileIo.read(device.value(), in.address(), in.byteSize());
                if (length >= FuseRequest.HEADER_BYTES) {
                    serve(new FuseRequest(in.asSlice(0, length)), new FuseReply(out));
                } else if (!isForAnotherTry(length)) {
                    String why = length == -ENODEV ? "it was unmounted" : "read " + length;
                    LOG.log(Level.DEBUG, "file system ends: {0}", why);
                    return;
                }
            }
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, "file system fails", e);
        }
    }

    // ENOENT: who asked has gone in between.
    private static boolean isForAnotherTry(long result) {
        return result == -EINTR || result == -EAGAIN || result == -ENOENT;
    }

    private void serve(FuseRequest request, FuseReply reply) {
        int errno = 0;
        try {
            if (!answer(request, reply)) {
                return;
            }
        } catch (ErrnoException e) {
            errno = e.errno();
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, "request " + request.opcode() + " failed", e);
            errno = EIO;
        }
        writer.reply(reply.finish(request.unique(), errno));
    }

    /** Makes the body of a reply; false when there is none to be sent now. */
    private boolean answer(FuseRequest request, FuseReply reply) {
        switch (request.opcode()) {
            case FuseOpcode.FUSE_FORGET -> {
                nodes.forget(request.nodeId(), request.longAt(0));
                return false;
            }
            case FuseOpcode.FUSE_BATCH_FORGET -> {
                for (int i = 0; i < request.intAt(0); i++) {
                    int one = Long.BYTES + i * FORGET_ONE_BYTES;
                    nodes.forget(request.longAt(one), request.longAt(one + Long.BYTES));
                }
                return false;
            }
            case FuseOpcode.FUSE_INTERRUPT -> {
                writer.interrupt(request.longAt(0));
                return false;
            }
            case FuseOpcode.FUSE_WRITE -> {
                byte[] data = request.bytesAt(WRITE_IN_BYTES, request.intAt(SIZE));
                writer.write(request.unique(), file(request.longAt(FH)), request.longAt(OFFSET), data);
                return false;
            }
            case FuseOpcode.FUSE_INIT -> init(request, reply);
            case FuseOpcode.FUSE_LOOKUP -> lookup(request, reply);
            case FuseOpcode.FUSE_GETATTR -> getattr(request, reply);
            case FuseOpcode.FUSE_SETATTR -> setattr(request, reply);
            case FuseOpcode.FUSE_READLINK -> readlink(request, reply);
            case FuseOpcode.FUSE_OPEN -> open(request, reply);
            case FuseOpcode.FUSE_READ -> {
                int length = Math.min(request.intAt(SIZE), MAX_READ_BYTES);
                reply.raw(file(request.longAt(FH)).read(request.longAt(OFFSET), length));
            }
            case FuseOpcode.FUSE_RELEASE -> files.remove(request.longAt(FH));
            case FuseOpcode.FUSE_OPENDIR -> opendir(request, reply);
            case FuseOpcode.FUSE_READDIR -> readdir(request, reply);
            case FuseOpcode.FUSE_RELEASEDIR -> listings.remove(request.longAt(FH));
            case FuseOpcode.FUSE_STATFS -> NodeAttributes.putStatfs(reply);
            case FuseOpcode.FUSE_DESTROY -> {}
            case FuseOpcode.FUSE_CREATE -> throw new ErrnoException(EACCES, "create a file");
            case FuseOpcode.FUSE_MKNOD,
                    FuseOpcode.FUSE_MKDIR,
                    FuseOpcode.FUSE_UNLINK,
                    FuseOpcode.FUSE_RMDIR,
                    FuseOpcode.FUSE_SYMLINK,
                    FuseOpcode.FUSE_LINK,
                    FuseOpcode.FUSE_RENAME,
                    FuseOpcode.FUSE_RENAME2 -> throw new ErrnoException(EPERM, "change a directory");
            // For the others the kernel knows what to do by itself, and asks no more.
            default -> throw new ErrnoException(ENOSYS, "request " + request.opcode());
        }
        return true;
    }

    // struct fuse_init_in and fuse_init_out.
    private static void init(FuseRequest request, FuseReply reply) {
        int major = request.intAt(0);
        int minor = request.intAt(4);
        if (major < MAJOR || (major == MAJOR && minor < OLDEST_MINOR)) {
            LOG.log(
                    Level.WARNING,
                    "the kernel speaks FUSE {0}.{1}: {2}.{3} is needed",
                    major,
                    minor,
                    MAJOR,
                    OLDEST_MINOR);
            throw new ErrnoException(EINVAL, "FUSE " + major + "." + minor);
        }
        reply.u32(MAJOR).u32(MINOR);
        if (major > MAJOR) {
            // It asks again with the version that it finds here.
            return;
        }
        reply.u32(request.intAt(8)).u32(request.intAt(12) & FUSE_PARALLEL_DIROPS);
        reply.u16(MAX_BACKGROUND).u16(MAX_BACKGROUND * 3 / 4).u32(PAGE_BYTES);
        reply.u32(1).u16(0).u16(0).zeroes(32);
    }

    private void lookup(FuseRequest request, FuseReply reply) {
        String name = request.name();
        FuseNode node = nodes.child(request.nodeId(), name);
        long id = nodes.lookedUp(request.nodeId(), name);
        attributes.putEntry(reply, id, node);
    }

    private void getattr(FuseRequest request, FuseReply reply) {
        attributes.putAttr(reply, request.nodeId(), nodes.node(request.nodeId()));
    }

    // Truncation, which a shell's > begins with, means nothing here, and neither do times.
    private void setattr(FuseRequest request, FuseReply reply) {
        if ((request.intAt(0) & (FATTR_MODE | FATTR_UID | FATTR_GID)) != 0) {
            throw new ErrnoException(EPERM, "change a mode or an owner");
        }
        getattr(request, reply);
    }

    private void readlink(FuseRequest request, FuseReply reply) {
        if (!(nodes.node(request.nodeId()) instanceof FuseNode.Link link)) {
            throw new ErrnoException(EINVAL, "readlink");
        }
        reply.raw(link.target().getBytes(StandardCharsets.UTF_8));
    }

    // Direct: what is read is what there is, and a write comes as it was written.
    private void open(FuseRequest request, FuseReply reply) {
        if (!(nodes.node(request.nodeId()) instanceof FuseNode.File found)) {
            throw new ErrnoException(EISDIR, "open");
        }
        files.put(++lastHandle, found.open());
        reply.u64(lastHandle).u32(FOPEN_DIRECT_IO).u32(0);
    }

    private FuseNode.Handle file(long handle) {
        FuseNode.Handle found = files.get(handle);
        if (found == null) {
            throw new ErrnoException(EBADF, "file " + handle);
        }
        return found;
    }

    private void opendir(FuseRequest request, FuseReply reply) {
        listings.put(++lastHandle, names(request.nodeId()));
        reply.u64(lastHandle).u32(0).u32(0);
    }

    private List<String> names(long nodeId) {
        if (!(nodes.node(nodeId) instanceof FuseNode.Directory directory)) {
            throw new ErrnoException(ENOTDIR, "opendir");
        }
        return directory.names();
    }

    private void readdir(FuseRequest request, FuseReply reply) {
        long handle = request.longAt(FH);
        long offset = request.longAt(OFFSET);
        if (offset == 0) {
            // Rewound: what is there now.
            listings.put(handle, names(request.nodeId()));
        }
        List<String> names = listings.get(handle);
        if (names == null) {
            throw new ErrnoException(EBADF, "directory " + handle);
        }
        int room = Math.min(request.intAt(SIZE), MAX_READ_BYTES);
        DirectoryEntries.put(reply, names, offset, room);
    }
}
