package org.vfio4j.virtioblk;

import static org.vfio4j.virtioblk.VirtioBlkSpec.*;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.UnaryOperator;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;
import org.vfio4j.virtio.VirtioConfig;
import org.vfio4j.virtio.VirtioPci;
import org.vfio4j.virtio.testing.DriverRing;
import org.vfio4j.virtio.testing.DriverRing.Piece;
import org.vfio4j.virtio.testing.VirtioDriver;

/** A disk with a driver that has set it up, and requests in the driver's words. */
final class DiskFixture implements AutoCloseable {

    static final long DISK_BYTES = 16 << 20;
    static final long GUEST_BYTES = 16 << 20;
    static final int QUEUE_SIZE = 64;
    static final long ALL_FEATURES = -1L;
    static final long NO_EVENT_INDEX = ~VirtioConfig.feature(VirtioConfig.VIRTIO_RING_F_EVENT_IDX);

    final BlockBackend backend;
    final VirtioBlk disk;
    final GuestMemory memory = new GuestMemory(GUEST_BYTES);
    final VirtioDriver driver;
    final List<Integer> messages = new CopyOnWriteArrayList<>();
    volatile boolean intx;
    DriverRing ring;
    /** 64 KiB of mapped memory. */
    final long buffer;

    private final long header;
    private final long status;

    DiskFixture() {
        this(new MemoryBackend(DISK_BYTES), builder -> builder.poll(QueuePolling.ADAPTIVE));
    }

    DiskFixture(BlockBackend backend, UnaryOperator<VirtioBlk.Builder> options) {
        this.backend = backend;
        disk = options.apply(VirtioBlk.builder(backend).serial("SN-0123456789").queueSize(QUEUE_SIZE))
                .build();
        driver = new VirtioDriver(disk.function());
        disk.function().connectIrqs(new IrqSink() {
            @Override
            public void msi(int vector) {
                messages.add(vector);
            }

            @Override
            public void intx(boolean asserted) {
                intx = asserted;
            }
        });
        disk.function().attachDma(memory.space());
        buffer = memory.mapped(1 << 16);
        header = memory.mapped(HEADER_SIZE);
        status = memory.mapped(16);
        ring = new DriverRing(memory, QUEUE_SIZE, true, false);
    }

    /** Negotiates, and sets up queue 0 in mapped memory. */
    DiskFixture start(long features) {
        return start(features, false);
    }

    DiskFixture start(long features, boolean remoteRing) {
        long agreed = driver.negotiate(features);
        boolean eventIndex = VirtioConfig.has(agreed, VirtioConfig.VIRTIO_RING_F_EVENT_IDX);
        ring = new DriverRing(memory, QUEUE_SIZE, eventIndex, remoteRing);
        driver.setUpQueue(0, ring, VirtioPci.VIRTIO_MSI_NO_VECTOR);
        driver.driverOk();
        return this;
    }

    /** The request header at {@code at}. */
    void header(long at, int type, long sector) {
        long host = memory.host(at);
        RawMemory.putInt(host, type);
        RawMemory.putInt(host + 4, 0);
        RawMemory.putLong(host + HEADER_SECTOR, sector);
    }

    /** One request from header to status, waited for. Returns the status. */
    int request(int type, long sector, Piece... data) {
        int before = ring.availIndex();
        submit(type, sector, data);
        kick(before);
        ring.await();
        return status();
    }

    void submit(int type, long sector, Piece... data) {
        header(header, type, sector);
        memory.fill(status, 1, 0xee);
        Piece[] all = new Piece[data.length + 2];
        all[0] = Piece.readable(header, HEADER_SIZE);
        System.arraycopy(data, 0, all, 1, data.length);
        all[all.length - 1] = Piece.writable(status, 1);
        ring.add(all);
    }

    long statusAt() {
        return status;
    }

    long headerAt() {
        return header;
    }

    int status() {
        return memory.get(status, 1)[0];
    }

    /** Notifies the device if it wants that. */
    void kick(int before) {
        if (ring.wantsNotification(before)) {
            driver.notifyQueue(0);
        }
    }

    int read(long sector, long to, int bytes) {
        return request(VIRTIO_BLK_T_IN, sector, Piece.writable(to, bytes));
    }

    int write(long sector, long from, int bytes) {
        return request(VIRTIO_BLK_T_OUT, sector, Piece.readable(from, bytes));
    }

    /** Whether the device asks for a reset, within a while. */
    void awaitNeedsReset() {
        VirtioDriver.await(
                "DEVICE_NEEDS_RESET", () -> (driver.status() & VirtioConfig.VIRTIO_CONFIG_S_NEEDS_RESET) != 0);
    }

    @Override
    public void close() {
        disk.function().detachDma();
        disk.close();
        memory.close();
        backend.close();
    }
}
