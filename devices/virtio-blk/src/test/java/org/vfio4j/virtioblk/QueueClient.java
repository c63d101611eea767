package org.vfio4j.virtioblk;

import static org.vfio4j.virtioblk.VirtioBlkSpec.HEADER_SECTOR;
import static org.vfio4j.virtioblk.VirtioBlkSpec.HEADER_SIZE;
import static org.vfio4j.virtioblk.VirtioBlkSpec.VIRTIO_BLK_T_IN;

import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;
import org.vfio4j.virtio.VirtioPci;
import org.vfio4j.virtio.testing.DriverRing;
import org.vfio4j.virtio.testing.DriverRing.Piece;
import org.vfio4j.virtio.testing.VirtioDriver;

/** One queue of a disk with several, from the driver's side: each request is an indirect table of its own, all alike. */
final class QueueClient {

    private final DiskFixture fixture;
    private final int index;
    final DriverRing ring;
    final long buffer;
    final int bytes;
    private final long header;
    private final long status;
    private final long table;

    /** Sets the queue up; between {@link VirtioDriver#negotiate} and {@link VirtioDriver#driverOk}. */
    QueueClient(DiskFixture fixture, int index, int size, boolean remoteRing, int bytes) {
        this.fixture = fixture;
        this.index = index;
        this.bytes = bytes;
        GuestMemory memory = fixture.memory;
        ring = new DriverRing(memory, size, true, remoteRing);
        buffer = memory.mapped(bytes);
        header = memory.mapped(HEADER_SIZE);
        status = memory.mapped(16);
        table = memory.mapped(64);
        fixture.driver.setUpQueue(index, ring, VirtioPci.VIRTIO_MSI_NO_VECTOR);
    }

    /** What its requests are from now on. */
    void requests(int type, long sector) {
        long host = fixture.memory.host(header);
        RawMemory.putInt(host, type);
        RawMemory.putInt(host + 4, 0);
        RawMemory.putLong(host + HEADER_SECTOR, sector);
    }

    /** Offers that many requests at once. */
    void offer(int type, int count) {
        Piece data = type == VIRTIO_BLK_T_IN ? Piece.writable(buffer, bytes) : Piece.readable(buffer, bytes);
        for (int i = 0; i < count; i++) {
            ring.addIndirect(table, Piece.readable(header, HEADER_SIZE), data, Piece.writable(status, 1));
        }
    }

    void kick() {
        fixture.driver.notifyQueue(index);
    }

    int status() {
        return fixture.memory.get(status, 1)[0];
    }

    /** One request, waited for. Returns its status. */
    int run(int type, long sector) {
        requests(type, sector);
        fixture.memory.fill(status, 1, 0xee);
        int before = ring.availIndex();
        offer(type, 1);
        if (ring.wantsNotification(before)) {
            kick();
        }
        ring.await();
        return status();
    }
}
