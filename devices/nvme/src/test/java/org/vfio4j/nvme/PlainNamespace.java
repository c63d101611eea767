package org.vfio4j.nvme;

import org.vfio4j.block.BlockBackend;

/** All of some storage, in blocks of 512 bytes. */
final class PlainNamespace implements Namespace {

    private final BlockBackend backend;
    final int lbaShift;
    volatile boolean writeProtected;
    volatile int notReady;

    PlainNamespace(BlockBackend backend, int lbaShift) {
        this.backend = backend;
        this.lbaShift = lbaShift;
    }

    @Override
    public BlockBackend backend() {
        return backend;
    }

    @Override
    public long offset() {
        return 0;
    }

    @Override
    public long blocks() {
        return backend.sizeBytes() >>> lbaShift;
    }

    @Override
    public int lbaShift() {
        return lbaShift;
    }

    @Override
    public boolean isWriteProtected() {
        return writeProtected;
    }

    @Override
    public int notReady() {
        return notReady;
    }
}
