package org.vfio4j.fuzz;

import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_WRITE;
import static org.vfio4j.virtio.VirtioPci.*;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.vfiouser.EventLoop;

/**
 * What a client may send to a server with a disk behind it. A record is a message: how many descriptors of which kind go with it
 * (4 bits each), the header's flags, the command, and the payload; with flags 0xff all the bytes are sent as they are, and the
 * connection ends.
 */
final class MessageTarget implements FuzzTarget {

    private static final int RAW = 0xff;
    private static final int STEP_HEADER = 4;
    private static final int MAX_STEPS = 48;
    private static final int SYNC_ID = 0xfffe;
    private static final long MEMORY_BYTES = 0x10000;
    private static final int IRQ_TRIGGER_EVENTFD = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    private static final int MSIX = VFIO_PCI_MSIX_IRQ_INDEX;
    private static final int BAR = 4;

    private final EventLoop loop = new EventLoop();
    private final TestDisk.Served disk = new TestDisk.Served(loop);
    private final Fd memory = MemFd.create("guest", MEMORY_BYTES);
    private final Fd event = EventFd.create();
    private long outcome;

    /** A message as a record. */
    static byte[] step(int fds, RawMessage message) {
        return new Payload()
                .bytes((byte) fds, (byte) message.flags())
                .u16(message.command())
                .bytes(message.payload())
                .toBytes();
    }

    @Override
    public List<byte[]> corpus() {
        return List.of(infos(), interrupts(), memoryMaps(), registers(), features(), diskRequest());
    }

    @Override
    public Mutator mutator() {
        return Mutator.RECORDS;
    }

    @Override
    public long run(byte[] input) {
        outcome = 0;
        try (RawClient client = disk.client()) {
            int steps = 0;
            for (byte[] record : Records.split(input)) {
                if (record.length < STEP_HEADER || ++steps > MAX_STEPS) {
                    continue;
                }
                if ((record[1] & 0xff) == RAW) {
                    client.trySend(Arrays.copyOfRange(record, STEP_HEADER, record.length), descriptors(record[0]));
                    return outcome;
                }
                // One at a time after the other, or, every fourth, pipelined.
                boolean alive = client.trySend(message(record).toBytes(), descriptors(record[0]));
                if (!alive || (steps % 4 == 0 && !synchronize(client))) {
                    return outcome;
                }
            }
            synchronize(client);
        }
        return outcome;
    }

    @Override
    public void checkWorks() {
        try (RawClient client = disk.client()) {
            RawMessage reply = client.call(Wire.read(VFIO_PCI_CONFIG_REGION_INDEX, 0, 4));
            if (reply.isError() || reply.u32(16) != 0x10421af4) {
                throw new AssertionError("the disk's ids cannot be read any more: " + reply);
            }
        }
    }

    @Override
    public void close() {
        disk.close();
        loop.close();
        memory.close();
        event.close();
    }

    private static RawMessage message(byte[] record) {
        int command = (record[2] & 0xff) | (record[3] & 0xff) << 8;
        return RawMessage.command(command, Arrays.copyOfRange(record, STEP_HEADER, record.length))
                .withFlags(record[1] & 0xff);
    }

    private Fd[] descriptors(byte kinds) {
        Fd[] fds = new Fd[kinds & 0xf];
        Arrays.fill(fds, (kinds & 0x10) == 0 ? memory : event);
        return fds;
    }

    /** Takes in what the server sends until it answers a message that is known: whether it does. */
    private boolean synchronize(RawClient client) {
        if (!client.trySend(Wire.info().withId(SYNC_ID).toBytes())) {
            return false;
        }
        while (true) {
            Optional<RawMessage> next = client.receiveUnlessClosed();
            if (next.isEmpty()) {
                return false;
            }
            RawMessage message = next.get();
            if ((message.flags() & 0xf) != RawMessage.REPLY) {
                answer(client, message);
            } else if (message.id() == SYNC_ID) {
                return true;
            } else {
                note(message.command(), message.error(), message.payload().length);
            }
        }
    }

    private void answer(RawClient client, RawMessage asked) {
        note(asked.command(), 0, 0);
        boolean access = asked.command() == VFIO_USER_DMA_READ || asked.command() == VFIO_USER_DMA_WRITE;
        if (!access || asked.id() % 4 == 0) {
            client.trySend(RawMessage.error(asked, 5).toBytes());
            return;
        }
        int count = (int) Math.min(asked.u64(8), 1 << 16);
        Payload payload = new Payload().u64(asked.u64(0)).u64(count);
        if (asked.command() == VFIO_USER_DMA_READ) {
            payload.bytes(new byte[count]);
        }
        client.trySend(RawMessage.reply(asked, payload).toBytes());
    }

    private void note(int command, int error, int length) {
        outcome = outcome * 31 + command * 1024L + error * 64L + (64 - Long.numberOfLeadingZeros(length));
    }

    private static byte[] infos() {
        return Records.join(
                step(0, Wire.info()),
                step(0, Wire.regionInfo(0, 32)),
                step(0, Wire.regionInfo(BAR, 256)),
                step(0, Wire.regionInfo(VFIO_PCI_CONFIG_REGION_INDEX, 32)),
                step(0, Wire.regionIoFds(BAR)),
                step(0, Wire.irqInfo(MSIX)),
                step(0, RawClient.version(0, 1, "{}")));
    }

    private static byte[] interrupts() {
        return Records.join(
                step(0x12, Wire.setIrqs(IRQ_TRIGGER_EVENTFD, MSIX, 0, 2)),
                step(0, Wire.setIrqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, MSIX, 0, 1)),
                step(0, Wire.setIrqs(VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, MSIX, 0, 2, (byte) 1, (byte)
                        0)),
                step(0, Wire.setIrqs(IRQ_TRIGGER_EVENTFD, MSIX, 0, 2)),
                step(0, Wire.setIrqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, MSIX, 0, 0)),
                step(0x11, Wire.setIrqs(IRQ_TRIGGER_EVENTFD, VFIO_PCI_INTX_IRQ_INDEX, 0, 1)),
                step(0, Wire.setIrqs(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, 0, 0, 1)),
                step(0x11, Wire.setIrqs(VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 0, 0, 1)),
                step(0x11, Wire.setIrqs(IRQ_TRIGGER_EVENTFD, VFIO_PCI_REQ_IRQ_INDEX, 0, 1)),
                step(0, Wire.reset()));
    }

    private static byte[] memoryMaps() {
        return Records.join(
                step(1, Wire.map(Wire.READ_WRITE, 0, 0x10000, 0x8000)),
                step(1, Wire.map(1, 0x8000, 0x18000, 0x8000)),
                step(0, Wire.map(Wire.READ_WRITE, 0, 0x100000, 0x10000)),
                step(0, Wire.unmap(0, 0x18000, 0x8000)),
                step(0, Wire.unmapWithBitmap(0x10000, 0x8000)),
                step(0, Wire.unmap(VFIO_DMA_UNMAP_FLAG_ALL, 0, 0)));
    }

    private static byte[] registers() {
        return Records.join(
                step(0, Wire.read(Wire.CONFIG, 0, 64)),
                step(0, Wire.write(Wire.CONFIG, 4, 2, 6)),
                step(0, Wire.write(Wire.CONFIG, 0x10, 4, -1)),
                step(0, Wire.read(BAR, 0, 64)),
                step(0, Wire.write(BAR, VIRTIO_PCI_COMMON_STATUS, 1, 1)),
                step(0, Wire.writeMulti()),
                step(0, Wire.write(BAR, VIRTIO_PCI_COMMON_STATUS, 1, 0).withFlags(RawMessage.NO_REPLY)));
    }

    private static byte[] features() {
        return Records.join(
                step(0, Wire.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_BUS_MASTER, new byte[4])),
                step(
                        0,
                        Wire.feature(
                                VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_BUS_MASTER,
                                (byte) 1,
                                (byte) 0,
                                (byte) 0,
                                (byte) 0)),
                step(0, Wire.feature(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | 1)),
                step(0, Wire.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, new byte[8])),
                step(0, Wire.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, new byte[8])),
                step(0, Wire.migrationRead(64)),
                step(0, Wire.migrationWrite(new byte[32])));
    }

    /** A driver's way from reset to a read of the first sector, in memory with a descriptor and without. */
    private byte[] diskRequest() {
        DiskDriver.putRequest(memory);
        List<byte[]> steps = new ArrayList<>();
        for (RawMessage message : DiskDriver.setUp()) {
            steps.add(step(message.command() == DiskDriver.DMA_MAP ? 1 : 0, message));
        }
        steps.add(1, step(0, Wire.map(Wire.READ_WRITE, 0, 0x20000, 0x8000)));
        steps.add(step(0, DiskDriver.ring()));
        return Records.join(steps);
    }
}
