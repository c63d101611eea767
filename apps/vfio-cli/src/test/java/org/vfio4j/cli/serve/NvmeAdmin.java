package org.vfio4j.cli.serve;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_BAR0_REGION_INDEX;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.LockSupport;
import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.vfio.VfioDeviceFile;

/** A driver that knows the admin queue of an NVMe controller (NVM Express Base 2.0, 3.5.1) and the event of a changed namespace. */
final class NvmeAdmin implements AutoCloseable {

    /** Completion dword 0 of that event: type Notice, information 0, log page 4. */
    static final int NAMESPACE_ATTRIBUTE_CHANGED = 0x04_0002;

    private static final long IOVA = 1L << 32;
    private static final int PAGE = 4096;
    private static final int ENTRIES = 16;
    private static final long PATIENCE_NS = 20_000_000_000L;

    private static final int GET_LOG_PAGE = 0x02;
    private static final int IDENTIFY = 0x06;
    private static final int SET_FEATURES = 0x09;
    private static final int ASYNCHRONOUS_EVENT_REQUEST = 0x0c;
    private static final int EVENT_CID = 0x100;

    private final VfioDeviceFile file;
    private final DmaMemory.Mapped mapped;
    private final MemorySegment submissions;
    private final MemorySegment completions;
    private final MemorySegment data;
    private int tail;
    private int head;
    private int phase = 1;

    /** Resets the controller and starts it. */
    NvmeAdmin(VfioDeviceFile file) {
        this.file = file;
        mapped = DmaMemory.map(file, "nvme-admin", IOVA, 3 * PAGE);
        submissions = mapped.memory().segment(0, PAGE);
        completions = mapped.memory().segment(PAGE, PAGE);
        data = mapped.memory().segment(2 * PAGE, PAGE);
        write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, Short.BYTES);
        register(0x14, 0);
        register(0x24, (ENTRIES - 1) << 16 | (ENTRIES - 1));
        register(0x28, (int) IOVA);
        register(0x2c, (int) (IOVA >>> 32));
        register(0x30, (int) IOVA + PAGE);
        register(0x34, (int) (IOVA >>> 32));
        register(0x14, 4 << 20 | 6 << 16 | 1);
        long deadline = System.nanoTime() + PATIENCE_NS;
        while ((read(0x1c) & 1) == 0) {
            assertThat(System.nanoTime()).as("CSTS.RDY").isLessThan(deadline);
            LockSupport.parkNanos(1_000_000);
        }
    }

    /** Asks to be told when a namespace changes. */
    void wantNamespaceEvents() {
        command(SET_FEATURES, 0, 0x0b, 1 << 8);
        submit(ASYNCHRONOUS_EVENT_REQUEST, EVENT_CID, 0, 0, 0);
    }

    /** Waits for an event. Returns dword 0 of its completion. */
    int awaitEvent() {
        return await(EVENT_CID);
    }

    /** The one that is in the Changed Namespace List, which has no other. */
    int changedNamespace() {
        command(GET_LOG_PAGE, -1, (PAGE / Integer.BYTES - 1) << 16 | 0x04, 0);
        assertThat(data.get(JAVA_INT_UNALIGNED, Integer.BYTES)).isZero();
        return data.get(JAVA_INT_UNALIGNED, 0);
    }

    /** A namespace's size. */
    long blocks(int nsid) {
        command(IDENTIFY, nsid, 0, 0);
        return data.get(JAVA_LONG_UNALIGNED, 0);
    }

    @Override
    public void close() {
        register(0x14, 0);
        mapped.close();
    }

    private void command(int opcode, int nsid, int cdw10, int cdw11) {
        data.fill((byte) 0x7e);
        submit(opcode, tail, nsid, cdw10, cdw11);
        await((tail + ENTRIES - 1) % ENTRIES);
    }

    private void submit(int opcode, int cid, int nsid, int cdw10, int cdw11) {
        MemorySegment entry = submissions.asSlice(tail * 64L, 64).fill((byte) 0);
        entry.set(JAVA_INT_UNALIGNED, 0, cid << 16 | opcode);
        entry.set(JAVA_INT_UNALIGNED, 4, nsid);
        entry.set(JAVA_LONG_UNALIGNED, 24, IOVA + 2 * PAGE);
        entry.set(JAVA_INT_UNALIGNED, 40, cdw10);
        entry.set(JAVA_INT_UNALIGNED, 44, cdw11);
        tail = (tail + 1) % ENTRIES;
        register(0x1000, tail);
    }

    /** Waits for the next completion, which must be that of a command. */
    private int await(int cid) {
        long deadline = System.nanoTime() + PATIENCE_NS;
        MemorySegment entry = completions.asSlice(head * 16L, 16);
        while ((entry.get(JAVA_INT_UNALIGNED, 12) >>> 16 & 1) != phase) {
            assertThat(System.nanoTime()).as("command 0x%x completes", cid).isLessThan(deadline);
            LockSupport.parkNanos(1_000_000);
        }
        int last = entry.get(JAVA_INT_UNALIGNED, 12);
        assertThat(last & 0xffff).as("command identifier").isEqualTo(cid);
        assertThat(last >>> 17).as("status of command 0x%x", cid).isZero();
        head = (head + 1) % ENTRIES;
        phase ^= head == 0 ? 1 : 0;
        register(0x1004, head);
        return entry.get(JAVA_INT_UNALIGNED, 0);
    }

    private void register(long at, int value) {
        write(VFIO_PCI_BAR0_REGION_INDEX, at, value, Integer.BYTES);
    }

    private int read(long at) {
        MemorySegment word = MemorySegment.ofArray(new byte[Integer.BYTES]);
        file.read(VFIO_PCI_BAR0_REGION_INDEX, at, word, 0, Integer.BYTES);
        return word.get(JAVA_INT_UNALIGNED, 0);
    }

    private void write(int region, long at, int value, int bytes) {
        MemorySegment word = MemorySegment.ofArray(new byte[Integer.BYTES]);
        word.set(JAVA_INT_UNALIGNED, 0, value);
        file.write(region, at, word, 0, bytes);
    }
}
