package org.vfio4j.fuzz;

import static org.vfio4j.virtio.VirtioConfig.VIRTIO_CONFIG_S_NEEDS_RESET;
import static org.vfio4j.virtio.VirtioPci.VIRTIO_MSI_NO_VECTOR;
import static org.vfio4j.virtio.VirtioRing.*;

import java.util.Arrays;
import java.util.List;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.testkit.GuestMemory;
import org.vfio4j.testkit.Payload;
import org.vfio4j.virtio.testing.DriverRing;
import org.vfio4j.virtio.testing.DriverRing.Piece;
import org.vfio4j.virtio.testing.VirtioDriver;
import org.vfio4j.virtioblk.VirtioBlk;

/**
 * What a guest may put into a disk's ring. A record is an operation and its arguments: bytes for the window of memory that holds
 * ring, tables, headers and data; a head to offer; an index; a notification; a register. Behind the last map there is nothing,
 * so that a stray access of the device would end this process.
 */
final class DescriptorTarget implements FuzzTarget {

    private static final int PUT = 0;
    private static final int OFFER = 1;
    private static final int NOTIFY = 2;
    private static final int AVAIL_INDEX = 3;
    private static final int REGISTER = 4;
    private static final int UNMAP = 5;
    private static final int OPERATIONS = 6;

    private static final int QUEUE_SIZE = 32;
    private static final int WINDOW = 0x4000;
    private static final long MEMORY_HALF = 1 << 16;
    private static final long SETTLE_NS = 200_000;
    private static final long ALL_FEATURES = -1L;

    private final BlockBackend storage = new MemoryBackend(TestDisk.BYTES);
    private final VirtioBlk disk =
            VirtioBlk.builder(storage).queueSize(QUEUE_SIZE).build();
    private final GuestMemory memory = new GuestMemory(MEMORY_HALF);
    private final VirtioDriver driver = new VirtioDriver(disk.function());
    private final DriverRing ring = new DriverRing(memory, QUEUE_SIZE, true, false);
    private final long header = memory.mapped(16);
    private final long status = memory.mapped(16);
    private final long table = memory.mapped(16 * QUEUE_SIZE);
    private final long data = memory.mapped(4096);
    private boolean unmapped;

    DescriptorTarget() {
        disk.function().attachDma(memory.space());
    }

    @Override
    public List<byte[]> corpus() {
        return List.of(
                request(0, 0, Piece.writable(data, 512)),
                request(1, 1, Piece.readable(data, 1024)),
                request(4, 0),
                request(8, 0, Piece.writable(data, 20)),
                request(11, 0, Piece.readable(data, 16)),
                request(13, 0, Piece.readable(data, 16)),
                request(0, 0, Piece.writable(data, 512), Piece.writable(GuestMemory.BASE + MEMORY_HALF, 512)),
                indirect(),
                Records.join(step(AVAIL_INDEX, 40), step(NOTIFY, 0)),
                Records.join(step(OFFER, QUEUE_SIZE + 1), step(NOTIFY, 0)),
                Records.join(step(UNMAP, 0), step(OFFER, 0), step(NOTIFY, 0)),
                Records.join(step(REGISTER, 0x14, 0), step(OFFER, 0), step(NOTIFY, 0)));
    }

    @Override
    public Mutator mutator() {
        return Mutator.RECORDS;
    }

    @Override
    public long run(byte[] input) {
        start();
        for (byte[] record : Records.split(input)) {
            if (record.length >= 3) {
                operate(record[0], (record[1] & 0xff) | (record[2] & 0xff) << 8, record);
            }
        }
        settle();
        return (driver.status() * 31L + ring.usedIndex()) * 31 + memory.get(status, 1)[0];
    }

    @Override
    public void checkWorks() {
        start();
        memory.put(header, new Payload().u32(0).u32(0).u64(0).toBytes());
        ring.add(Piece.readable(header, 16), Piece.writable(data, 512), Piece.writable(status, 1));
        driver.notifyQueue(0);
        ring.await();
        if (memory.get(status, 1)[0] != 0) {
            throw new AssertionError("the first sector cannot be read any more");
        }
    }

    @Override
    public void close() {
        disk.function().detachDma();
        disk.close();
        memory.close();
        storage.close();
    }

    private void start() {
        driver.reset();
        if (unmapped) {
            memory.mapFirstHalf();
            unmapped = false;
        }
        memory.fill(GuestMemory.BASE, WINDOW, 0);
        driver.negotiate(ALL_FEATURES);
        ring.restart();
        driver.setUpQueue(0, ring, VIRTIO_MSI_NO_VECTOR);
        driver.driverOk();
    }

    private void operate(int operation, int argument, byte[] record) {
        byte[] rest = Arrays.copyOfRange(record, 3, record.length);
        switch (Math.floorMod(operation, OPERATIONS)) {
            case PUT -> memory.put(GuestMemory.BASE + argument % WINDOW, rest);
            case OFFER -> ring.offer(argument);
            case NOTIFY -> {
                driver.notifyQueue(argument & 1);
                settle();
            }
            case AVAIL_INDEX -> ring.setAvailIndex(argument);
            case REGISTER -> driver.write(argument & 0x3f, 1, rest.length == 0 ? 0 : rest[0]);
            default -> {
                if (!unmapped) {
                    memory.unmapFirstHalf();
                    unmapped = true;
                }
            }
        }
    }

    /** Gives the device a moment to take in what it was told: then more inputs lead to what they can. */
    private void settle() {
        long deadline = System.nanoTime() + SETTLE_NS;
        while (ring.usedIndex() != ring.availIndex()
                && (driver.status() & VIRTIO_CONFIG_S_NEEDS_RESET) == 0
                && System.nanoTime() < deadline) {
            Thread.onSpinWait();
        }
    }

    private byte[] request(int type, long sector, Piece... pieces) {
        Payload descriptors = new Payload();
        descriptor(descriptors, header, 16, VRING_DESC_F_NEXT, 1);
        for (int i = 0; i < pieces.length; i++) {
            int write = pieces[i].writable() ? VRING_DESC_F_WRITE : 0;
            descriptor(descriptors, pieces[i].address(), pieces[i].length(), VRING_DESC_F_NEXT | write, i + 2);
        }
        descriptor(descriptors, status, 1, VRING_DESC_F_WRITE, 0);
        return Records.join(
                put(ring.desc(), descriptors),
                put(header, new Payload().u32(type).u32(0).u64(sector)),
                put(data, new Payload().u64(sector).u32(8).u32(0)),
                step(OFFER, 0),
                step(NOTIFY, 0));
    }

    private byte[] indirect() {
        Payload descriptors = new Payload();
        descriptor(descriptors, header, 16, VRING_DESC_F_NEXT, 1);
        descriptor(descriptors, data, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
        descriptor(descriptors, status, 1, VRING_DESC_F_WRITE, 0);
        Payload head = new Payload();
        descriptor(head, table, 3 * VRING_DESC_SIZE, VRING_DESC_F_INDIRECT, 0);
        return Records.join(put(table, descriptors), put(ring.desc(), head), step(OFFER, 0), step(NOTIFY, 0));
    }

    private static void descriptor(Payload to, long address, int length, int flags, int next) {
        to.u64(address).u32(length).u16(flags).u16(next);
    }

    private static byte[] put(long address, Payload bytes) {
        return new Payload()
                .bytes((byte) PUT)
                .u16((int) (address - GuestMemory.BASE))
                .bytes(bytes.toBytes())
                .toBytes();
    }

    private static byte[] step(int operation, int argument, int... rest) {
        Payload payload = new Payload().bytes((byte) operation).u16(argument);
        for (int value : rest) {
            payload.bytes((byte) value);
        }
        return payload.toBytes();
    }
}
