package org.vfio4j.fuse;

/** Requests of the kernel that this file system answers: {@code enum fuse_opcode} of linux/fuse.h. */
final class FuseOpcode {

    static final int FUSE_LOOKUP = 1;
    static final int FUSE_FORGET = 2;
    static final int FUSE_GETATTR = 3;
    static final int FUSE_SETATTR = 4;
    static final int FUSE_READLINK = 5;
    static final int FUSE_SYMLINK = 6;
    static final int FUSE_MKNOD = 8;
    static final int FUSE_MKDIR = 9;
    static final int FUSE_UNLINK = 10;
    static final int FUSE_RMDIR = 11;
    static final int FUSE_RENAME = 12;
    static final int FUSE_LINK = 13;
    static final int FUSE_OPEN = 14;
    static final int FUSE_READ = 15;
    static final int FUSE_WRITE = 16;
    static final int FUSE_STATFS = 17;
    static final int FUSE_RELEASE = 18;
    static final int FUSE_INIT = 26;
    static final int FUSE_OPENDIR = 27;
    static final int FUSE_READDIR = 28;
    static final int FUSE_RELEASEDIR = 29;
    static final int FUSE_CREATE = 35;
    static final int FUSE_INTERRUPT = 36;
    static final int FUSE_DESTROY = 38;
    static final int FUSE_BATCH_FORGET = 42;
    static final int FUSE_RENAME2 = 45;

    private FuseOpcode() {}
}
