package org.vfio4j.fuzz;

import static org.vfio4j.virtio.VirtioPci.VIRTIO_MSI_NO_VECTOR;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.GuestMemory;
import org.vfio4j.virtio.testing.DriverRing;
import org.vfio4j.virtio.testing.DriverRing.Piece;
import org.vfio4j.virtio.testing.VirtioDriver;
import org.vfio4j.virtioblk.VirtioBlk;

/**
 * The state of a disk, as it comes from another server. Size and checksum are made right, as somebody would who means harm, so that
 * what is behind them is reached.
 */
final class DiskStateTarget implements FuzzTarget {

    private static final int SIZE_AT = 20;
    private static final int CRC_AT = 24;
    private static final int HEADER_BYTES = 28;
    private static final int QUEUE_SIZE = 32;
    private static final int RINGS_BYTES = 0x4000;
    private static final long SETTLE_NS = 200_000;

    private final BlockBackend storage = new MemoryBackend(TestDisk.BYTES);
    private final VirtioBlk disk =
            VirtioBlk.builder(storage).queues(2).queueSize(QUEUE_SIZE).build();
    private final FunctionState state =
            disk.function().platform(FunctionState.class).orElseThrow();
    private final GuestMemory memory = new GuestMemory(1 << 20);
    private final VirtioDriver driver = new VirtioDriver(disk.function());
    private final DriverRing ring = new DriverRing(memory, QUEUE_SIZE, true, false);
    private final long header = memory.mapped(16);
    private final long status = memory.mapped(16);
    private final long data = memory.mapped(512);
    private final byte[] started;
    private final byte[] fresh;

    DiskStateTarget() {
        disk.function().attachDma(memory.space());
        state.suspend();
        fresh = state.save();
        state.resume();
        start();
        state.suspend();
        started = state.save();
    }

    @Override
    public List<byte[]> corpus() {
        return List.of(started, fresh);
    }

    /** Loads a state and, when it is taken, lets the function run with it and saves it again. */
    @Override
    public long run(byte[] input) {
        state.suspend();
        try {
            state.load(sealed(input));
        } catch (ErrnoException e) {
            return ("" + e.getMessage()).replaceAll("[^a-z]", "").hashCode();
        }
        state.resume();
        driver.notifyQueue(0);
        long until = System.nanoTime() + SETTLE_NS;
        while (System.nanoTime() < until) {
            Thread.onSpinWait();
        }
        state.suspend();
        return Arrays.hashCode(state.save());
    }

    @Override
    public void checkWorks() {
        disk.function().reset();
        start();
        ring.add(Piece.readable(header, 16), Piece.writable(data, 512), Piece.writable(status, 1));
        driver.notifyQueue(0);
        ring.await();
        if (memory.get(status, 1)[0] != 0) {
            throw new AssertionError("the first sector cannot be read any more");
        }
        state.suspend();
        state.load(started);
    }

    @Override
    public void close() {
        disk.function().detachDma();
        disk.close();
        memory.close();
        storage.close();
    }

    private void start() {
        memory.fill(GuestMemory.BASE, RINGS_BYTES, 0);
        ring.restart();
        driver.negotiate(-1L);
        driver.setUpQueue(0, ring, VIRTIO_MSI_NO_VECTOR);
        driver.driverOk();
    }

    private static byte[] sealed(byte[] input) {
        if (input.length < HEADER_BYTES) {
            return input;
        }
        byte[] state = input.clone();
        ByteBuffer out = ByteBuffer.wrap(state).order(ByteOrder.LITTLE_ENDIAN).putInt(SIZE_AT, state.length);
        CRC32C crc = new CRC32C();
        crc.update(state, 0, CRC_AT);
        crc.update(state, HEADER_BYTES, state.length - HEADER_BYTES);
        out.putInt(CRC_AT, (int) crc.getValue());
        return state;
    }
}
