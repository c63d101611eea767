package org.vfio4j.userspace.nvme;

import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.uapi.PciRegs.PCI_CLASS_REVISION;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.userspace.nvme.NvmeNumbers.*;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionCapabilities.Area;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;

/**
 * An NVMe controller down to its registers, which serves a queue on the caller's thread when its doorbell is written, or when
 * {@link #lookAtDoorbells} finds it in the page. Tests change its fields to make it unusual, or bad.
 */
final class FakeController implements VfioDeviceFile {

    static final int BLOCK = 512;
    static final int BLOCKS = 4096;

    /** Puts a completion into a queue. */
    interface Completer {
        void complete(Queue queue, int cid, int result, int status);
    }

    /** A queue pair. */
    static final class Queue {
        int id;
        int size;
        long submissions;
        long completions;
        int vector;
        boolean interrupts;
        int head;
        int tail;
        int completed;
        int headTold;
        int rings;
    }

    final ByteBuffer config = ByteBuffer.allocate(256).order(ByteOrder.LITTLE_ENDIAN);
    final ByteBuffer controller = ByteBuffer.allocate(IDENTIFY_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    final ByteBuffer namespace = ByteBuffer.allocate(IDENTIFY_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    final byte[] disk = new byte[BLOCKS * BLOCK];
    final List<Integer> opcodes = new ArrayList<>();
    final List<Fd> vectors = new ArrayList<>();
    final Map<Integer, Queue> queues = new TreeMap<>();

    long cap = CAP_CSS_NVM | 1023;
    long regionBytes = 0x2000;
    int msixVectors = 3;
    int queuesGranted = 2;
    boolean startNeverEnds;
    boolean stopNeverEnds;
    boolean fails;
    boolean deafAdmin;
    boolean deaf;
    int status;
    int adminStatus;
    int listStatus;
    int firstNamespace = 1;
    long areaOffset = REG_DOORBELLS;
    long areaBytes = 0x1000;
    Optional<Fd> doorbells = Optional.empty();

    /** Whether they are said to stay, as hardware's do. */
    boolean permanent;

    Completer completer = this::post;

    int cc;
    int csts;
    boolean shutDown;
    long shadow;
    long eventIndices;
    Optional<Mapping> dma = Optional.empty();
    private Optional<Mapping> page = Optional.empty();
    private long dmaIova;
    private int aqa;
    private long asq;
    private long acq;

    FakeController() {
        config.putInt(PCI_CLASS_REVISION, PCI_CLASS_NVME << 8);
        text(ID_CTRL_SN, "S1", ID_CTRL_SN_BYTES);
        text(ID_CTRL_MN, "fake", ID_CTRL_MN_BYTES);
        text(ID_CTRL_FR, "1", ID_CTRL_FR_BYTES);
        controller.put(ID_CTRL_MDTS, (byte) 5);
        controller.put(ID_CTRL_SQES, (byte) 0x66);
        controller.put(ID_CTRL_CQES, (byte) 0x44);
        controller.putShort(ID_CTRL_ONCS, (short) (ONCS_COMPARE | ONCS_DATASET_MANAGEMENT | ONCS_WRITE_ZEROES));
        namespace.putLong(ID_NS_NSZE, BLOCKS);
        namespace.putInt(ID_NS_LBAF, 9 << 16);
    }

    /** Offers the doorbells' memory. */
    void offerDoorbells() {
        Fd fd = MemFd.create("doorbells", regionBytes);
        doorbells = Optional.of(fd);
        page = Optional.of(Mapping.shared(fd, 0, regionBytes, Mapping.PROT_READ | Mapping.PROT_WRITE));
    }

    long host(long iova) {
        return dma.orElseThrow().address() + iova - dmaIova;
    }

    @Override
    public VfioDeviceInfo info() {
        return new VfioDeviceInfo(0, VFIO_PCI_NUM_REGIONS, VFIO_PCI_NUM_IRQS);
    }

    @Override
    public VfioRegionInfo regionInfo(int index) {
        int flags = doorbells.isPresent() ? VFIO_REGION_INFO_FLAG_MMAP : 0;
        return new VfioRegionInfo(
                index,
                flags,
                regionBytes,
                List.of(VfioRegionCapabilities.sparseMmap(List.of(new Area(areaOffset, areaBytes)))));
    }

    @Override
    public Optional<VfioRegionMemory> regionMemory(int index) {
        return doorbells.map(fd -> new VfioRegionMemory(fd, 0, permanent));
    }

    @Override
    public VfioIrqInfo irqInfo(int index) {
        return new VfioIrqInfo(index, 0, index == VFIO_PCI_MSIX_IRQ_INDEX ? msixVectors : 0);
    }

    @Override
    public void setIrqs(VfioIrqSet set) {
        vectors.forEach(Fd::close);
        vectors.clear();
        vectors.addAll(set.eventFds());
    }

    @Override
    public void read(int region, long offset, MemorySegment buffer, long at, int count) {
        int value = region == VFIO_PCI_CONFIG_REGION_INDEX ? config.getInt((int) offset) : register((int) offset);
        buffer.set(ValueLayout.JAVA_INT_UNALIGNED, at, value);
    }

    @Override
    public void write(int region, long offset, MemorySegment buffer, long at, int count) {
        if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
            for (int i = 0; i < count; i++) {
                config.put((int) offset + i, buffer.get(ValueLayout.JAVA_BYTE, at + i));
            }
            return;
        }
        int value = buffer.get(ValueLayout.JAVA_INT_UNALIGNED, at);
        long word = Integer.toUnsignedLong(value);
        switch ((int) offset) {
            case REG_CC -> setCc(value);
            case REG_AQA -> aqa = value;
            case REG_ASQ -> asq = word;
            case REG_ASQ + 4 -> asq |= word << 32;
            case REG_ACQ -> acq = word;
            case REG_ACQ + 4 -> acq |= word << 32;
            default -> doorbell((int) offset - REG_DOORBELLS, value);
        }
    }

    @Override
    public int feature(int flags, MemorySegment data) {
        throw new ErrnoException(ENOTTY, "device feature");
    }

    @Override
    public void reset() {
        setCc(0);
    }

    @Override
    public void dmaMap(long iova, long sizeBytes, int access, Fd memory, long offset) {
        dmaIova = iova;
        dma = Optional.of(Mapping.shared(memory, offset, sizeBytes, Mapping.PROT_READ | Mapping.PROT_WRITE));
    }

    @Override
    public void dmaUnmap(long iova, long sizeBytes) {
        dma.orElseThrow().close();
        dma = Optional.empty();
    }

    @Override
    public void close() {
        vectors.forEach(Fd::close);
        page.ifPresent(Mapping::close);
        doorbells.ifPresent(Fd::close);
    }

    /** Serves what the page of doorbells says. */
    void lookAtDoorbells() {
        long at = page.orElseThrow().address() + REG_DOORBELLS;
        for (Queue queue : queues.values()) {
            if (queue.id > 0) {
                queue.tail = RawMemory.getIntAcquire(at + 8L * queue.id);
                queue.headTold = RawMemory.getIntAcquire(at + 8L * queue.id + 4);
                serve(queue);
            }
        }
    }

    /** Serves what the shadow doorbells say, and asks for a real one from the next on. */
    void lookAtShadow() {
        for (Queue queue : queues.values()) {
            if (queue.id > 0) {
                queue.tail = RawMemory.getIntAcquire(host(shadow) + 8L * queue.id);
                serve(queue);
                RawMemory.putIntRelease(host(eventIndices) + 8L * queue.id, queue.tail);
            }
        }
    }

    /** Serves what it was told before, and did not look at. */
    void serveAll() {
        queues.values().forEach(this::serve);
    }

    void post(Queue queue, int cid, int result, int status) {
        post(queue, cid, result, status, queue.id);
    }

    void post(Queue queue, int cid, int result, int status, int queueId) {
        long entry = host(queue.completions) + 16L * (queue.completed % queue.size);
        int phase = (queue.completed / queue.size & 1) == 0 ? 1 : 0;
        queue.completed++;
        RawMemory.putInt(entry, result);
        RawMemory.putInt(entry + 8, queueId << 16 | queue.head);
        RawMemory.putIntRelease(entry + 12, status << 17 | phase << 16 | cid);
        if (queue.interrupts && queue.vector < vectors.size()) {
            EventFd.signal(vectors.get(queue.vector).value());
        }
    }

    private int register(int at) {
        return switch (at) {
            case REG_CAP -> (int) cap;
            case REG_CAP + 4 -> (int) (cap >>> 32);
            case REG_CC -> cc;
            case REG_CSTS -> csts;
            default -> 0;
        };
    }

    private void setCc(int value) {
        boolean starts = (value & CC_EN) != 0 && (cc & CC_EN) == 0;
        cc = value;
        if ((value & CC_SHN_NORMAL) != 0) {
            shutDown = true;
            csts |= CSTS_SHST_COMPLETE;
        }
        if ((value & CC_EN) == 0) {
            queues.clear();
            shadow = 0;
            csts = stopNeverEnds ? CSTS_RDY : 0;
        } else if (starts) {
            csts = fails ? CSTS_CFS : startNeverEnds ? 0 : CSTS_RDY;
            queues.put(0, queue(0, (aqa & 0xfff) + 1));
            queues.get(0).submissions = asq;
            queues.get(0).completions = acq;
        }
    }

    private static Queue queue(int id, int size) {
        Queue queue = new Queue();
        queue.id = id;
        queue.size = size;
        return queue;
    }

    private void doorbell(int at, int value) {
        int stride = 4 << (int) (cap >>> CAP_DSTRD_SHIFT & 0xf);
        Queue queue = queues.get(at / stride / 2);
        if (at / stride % 2 == 1) {
            queue.headTold = value;
        } else {
            queue.rings++;
            queue.tail = value;
            serve(queue);
        }
    }

    private void serve(Queue queue) {
        while (queue.head != queue.tail && !(queue.id == 0 ? deafAdmin : deaf)) {
            long entry = host(queue.submissions) + 64L * queue.head;
            queue.head = (queue.head + 1) % queue.size;
            int cid = RawMemory.getInt(entry) >>> 16;
            if (queue.id == 0) {
                admin(queue, entry, cid);
            } else {
                opcodes.add(RawMemory.getInt(entry) & 0xff);
                int result = status != 0 ? status : carryOut(entry);
                completer.complete(queue, cid, 0, result);
            }
        }
    }

    private void admin(Queue queue, long entry, int cid) {
        int cdw10 = RawMemory.getInt(entry + 40);
        int cdw11 = RawMemory.getInt(entry + 44);
        long prp1 = RawMemory.getLong(entry + 24);
        int result = 0;
        int outcome = adminStatus;
        switch (RawMemory.getInt(entry) & 0xff) {
            case IDENTIFY -> outcome = Math.max(outcome, identify(cdw10, prp1));
            case SET_FEATURES -> result = (queuesGranted - 1) << 16 | (queuesGranted - 1);
            case CREATE_IO_COMPLETION_QUEUE -> {
                Queue made = queue(cdw10 & 0xffff, (cdw10 >>> 16) + 1);
                made.completions = prp1;
                made.interrupts = (cdw11 & QUEUE_IEN) != 0;
                made.vector = cdw11 >>> 16;
                queues.put(made.id, made);
            }
            case CREATE_IO_SUBMISSION_QUEUE -> queues.get(cdw11 >>> 16).submissions = prp1;
            case DOORBELL_BUFFER_CONFIG -> {
                shadow = prp1;
                eventIndices = RawMemory.getLong(entry + 32);
            }
            default -> outcome = NvmeStatus.INVALID_COMMAND_OPCODE;
        }
        post(queue, cid, result, outcome);
    }

    private int identify(int cns, long to) {
        switch (cns) {
            case CNS_CONTROLLER -> RawMemory.put(host(to), controller.array(), 0, IDENTIFY_BYTES);
            case CNS_NAMESPACE -> RawMemory.put(host(to), namespace.array(), 0, IDENTIFY_BYTES);
            default -> {
                RawMemory.putInt(host(to), firstNamespace);
                return listStatus;
            }
        }
        return 0;
    }

    /** Returns the status. */
    private int carryOut(long entry) {
        int at = (int) RawMemory.getLong(entry + 40) * BLOCK;
        int blocks = (RawMemory.getInt(entry + 48) & 0xffff) + 1;
        switch (RawMemory.getInt(entry) & 0xff) {
            case READ -> move(entry, at, blocks * BLOCK, true);
            case WRITE -> move(entry, at, blocks * BLOCK, false);
            case COMPARE -> {
                byte[] before = disk.clone();
                move(entry, at, blocks * BLOCK, false);
                boolean same = MemorySegment.ofArray(before).mismatch(MemorySegment.ofArray(disk)) < 0;
                System.arraycopy(before, 0, disk, 0, disk.length);
                return same ? 0 : NvmeStatus.COMPARE_FAILURE;
            }
            case WRITE_ZEROES ->
                MemorySegment.ofArray(disk).asSlice(at, (long) blocks * BLOCK).fill((byte) 0);
            case DATASET_MANAGEMENT -> {
                long range = host(RawMemory.getLong(entry + 24));
                long from = RawMemory.getLong(range + 8) * BLOCK;
                MemorySegment.ofArray(disk)
                        .asSlice(from, (long) RawMemory.getInt(range + 4) * BLOCK)
                        .fill((byte) 0xdd);
            }
            default -> {}
        }
        return 0;
    }

    /** By PRPs, as Base 4.1.1 has them. */
    private void move(long entry, int at, int length, boolean toMemory) {
        long prp1 = RawMemory.getLong(entry + 24);
        long prp2 = RawMemory.getLong(entry + 32);
        int first = (int) Math.min(length, 4096 - (prp1 & 4095));
        int rest = length - first;
        piece(prp1, at, first, toMemory);
        for (int i = 0; rest > 0; i++) {
            boolean list = length - first > 4096;
            long page = list ? RawMemory.getLong(host(prp2) + 8L * i) : prp2;
            if ((page & 4095) != 0) {
                throw new IllegalStateException("PRP entry " + i + " is 0x" + Long.toHexString(page));
            }
            int part = Math.min(rest, 4096);
            piece(page, at + length - rest, part, toMemory);
            rest -= part;
        }
    }

    private void piece(long iova, int at, int length, boolean toMemory) {
        if (toMemory) {
            RawMemory.put(host(iova), disk, at, length);
        } else {
            RawMemory.get(host(iova), disk, at, length);
        }
    }

    private void text(int at, String text, int length) {
        controller.put(at, (text + " ".repeat(length - text.length())).getBytes(StandardCharsets.US_ASCII));
    }
}
