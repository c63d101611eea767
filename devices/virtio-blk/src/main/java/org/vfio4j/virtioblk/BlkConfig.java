package org.vfio4j.virtioblk;

import static org.vfio4j.virtio.VirtioConfig.feature;
import static org.vfio4j.virtio.VirtioConfig.has;
import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.Register;
import org.vfio4j.devicemodel.RegisterSet;
import org.vfio4j.devicemodel.StateRecords;

/**
 * Features and device configuration of a disk (Virtual I/O Device 1.2, 5.2.3 and 5.2.4), and the cache mode that both decide
 * about. Belongs to the function's thread, but for {@link #isWriteThrough}.
 */
final class BlkConfig {

    private static final long WRITABLE_FEATURES =
            feature(VIRTIO_BLK_F_CONFIG_WCE) | feature(VIRTIO_BLK_F_DISCARD) | feature(VIRTIO_BLK_F_WRITE_ZEROES);

    private static final int STATE_BYTES = 16;

    private final RegisterSet registers;
    private final long features;

    private long negotiated;
    private boolean writeback = true;
    private volatile boolean writeThrough = true;

    BlkConfig(BlockBackend backend, BlkRules rules, int queues, int queueSize) {
        features = feature(VIRTIO_BLK_F_SEG_MAX)
                | feature(VIRTIO_BLK_F_BLK_SIZE)
                | feature(VIRTIO_BLK_F_FLUSH)
                | feature(VIRTIO_BLK_F_TOPOLOGY)
                | feature(VIRTIO_BLK_F_MQ)
                | (rules.readOnly() ? feature(VIRTIO_BLK_F_RO) : WRITABLE_FEATURES);
        registers = RegisterSet.of(CONFIG_SIZE, declare(backend, rules, queues, queueSize));
    }

    long features() {
        return features;
    }

    BarHandler registers() {
        return registers;
    }

    void negotiated(long features) {
        negotiated = features;
        if (features == 0) {
            writeback = true;
        }
        decideCacheMode();
    }

    /** Whether a write is complete only when it is stable. From any thread. */
    boolean isWriteThrough() {
        return writeThrough;
    }

    /** What the driver has been told of the disk, and the cache mode that it has chosen. */
    byte[] saveState() {
        return StateRecords.data(STATE_BYTES)
                .putLong(registers.read(CONFIG_CAPACITY, Long.BYTES))
                .putInt((int) registers.read(CONFIG_PHYSICAL_BLOCK_EXP, 1))
                .putInt(writeback ? 1 : 0)
                .array();
    }

    /**
     * Checks such a state.
     *
     * @return what takes it over, after {@link #negotiated}
     * @throws org.vfio4j.sys.ErrnoException EINVAL when the driver would find another disk
     */
    Runnable loadState(byte[] state) {
        if (state.length != STATE_BYTES) {
            throw StateRecords.refused("a disk of " + state.length + " bytes of state, not " + STATE_BYTES);
        }
        ByteBuffer mine = StateRecords.data(STATE_BYTES).put(saveState()).flip();
        ByteBuffer its = StateRecords.data(STATE_BYTES).put(state).flip();
        same("sectors", its.getLong(), mine.getLong());
        same("as physical_block_exp", its.getInt(), mine.getInt());
        int mode = its.getInt();
        if (mode != 0 && mode != 1) {
            throw StateRecords.refused("a disk with writeback " + mode);
        }
        return () -> {
            writeback = mode == 1;
            decideCacheMode();
        };
    }

    private static void same(String what, long its, long mine) {
        if (its != mine) {
            throw StateRecords.refused("a disk with " + its + " " + what + ", this one has " + mine);
        }
    }

    /** 5.2.5: the register decides when the driver knows it; else a driver that does not know FLUSH relies on each write. */
    private void decideCacheMode() {
        writeThrough = has(negotiated, VIRTIO_BLK_F_CONFIG_WCE) ? !writeback : !has(negotiated, VIRTIO_BLK_F_FLUSH);
    }

    private List<Register> declare(BlockBackend backend, BlkRules rules, int queues, int queueSize) {
        int blocksInPhysical = backend.physicalBlockBytes() / SECTOR_SIZE;
        List<Register> all = new ArrayList<>(List.of(
                Register.at(CONFIG_CAPACITY, 8, "capacity").reset(rules.sectors()),
                // One descriptor for the header and one for the status.
                Register.at(CONFIG_SEG_MAX, 4, "seg_max").reset(Math.max(1, queueSize - 2)),
                Register.at(CONFIG_BLK_SIZE, 4, "blk_size").reset(SECTOR_SIZE),
                Register.at(CONFIG_PHYSICAL_BLOCK_EXP, 1, "physical_block_exp")
                        .reset(Integer.numberOfTrailingZeros(blocksInPhysical)),
                Register.at(CONFIG_MIN_IO_SIZE, 2, "min_io_size").reset(blocksInPhysical),
                Register.at(CONFIG_NUM_QUEUES, 2, "num_queues").reset(queues)));
        if (!rules.readOnly()) {
            int ranges = rules.maxRanges();
            int granularity = backend.physicalBlockBytes() / SECTOR_SIZE;
            all.addAll(List.of(
                    Register.at(CONFIG_WCE, 1, "writeback")
                            .computed(() -> writeback ? 1 : 0)
                            .writable(1)
                            .onWrite(this::setWriteback),
                    constant(CONFIG_MAX_DISCARD_SECTORS, "max_discard_sectors", BlkRules.MAX_RANGE_SECTORS),
                    constant(CONFIG_MAX_DISCARD_SEG, "max_discard_seg", ranges),
                    constant(CONFIG_DISCARD_SECTOR_ALIGNMENT, "discard_sector_alignment", granularity),
                    constant(CONFIG_MAX_WRITE_ZEROES_SECTORS, "max_write_zeroes_sectors", BlkRules.MAX_RANGE_SECTORS),
                    constant(CONFIG_MAX_WRITE_ZEROES_SEG, "max_write_zeroes_seg", ranges),
                    Register.at(CONFIG_WRITE_ZEROES_MAY_UNMAP, 1, "write_zeroes_may_unmap")
                            .reset(1)));
        }
        return all;
    }

    private static Register constant(int at, String name, int value) {
        return Register.at(at, 4, name).reset(value);
    }

    private void setWriteback(long value) {
        if (has(negotiated, VIRTIO_BLK_F_CONFIG_WCE)) {
            writeback = value != 0;
            decideCacheMode();
        }
    }
}
