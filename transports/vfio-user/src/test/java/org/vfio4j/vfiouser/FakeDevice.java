package org.vfio4j.vfiouser;

import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_IO;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FLAGS_PCI;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FLAGS_RESET;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_INFO_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_INFO_MASKABLE;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_READ;
import static org.vfio4j.uapi.Vfio.VFIO_REGION_INFO_FLAG_WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.IoasLogging;
import org.vfio4j.vfio.VfioDeviceFeature;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioDeviceOps;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioIoEventFd;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioLoggingOps;
import org.vfio4j.vfio.VfioMigrationOps;
import org.vfio4j.vfio.VfioRegionInfo;
import org.vfio4j.vfio.VfioRegionMemory;

/**
 * A device of plain memory: BAR 0 (16 KiB), BAR 2 (4 MiB), configuration space (256 bytes), and irqs that are kept but never
 * fire. Tests look at what reached it, and make it slow or wrong.
 */
final class FakeDevice implements VfioDeviceOps {

    static final int BAR0_SIZE = 16 * 1024;
    static final int BAR2_SIZE = 4 << 20;
    static final int CONFIG_SIZE = 256;
    static final int MSIX_VECTORS = 2048;
    static final int ECHO_QUESTION = 24;

    final MemorySegment bar0 = Arena.ofAuto().allocate(BAR0_SIZE);
    final MemorySegment bar2 = Arena.ofAuto().allocate(BAR2_SIZE);
    final MemorySegment config = decoding(Arena.ofAuto().allocate(CONFIG_SIZE));
    final List<VfioIrqSet> irqSets = Collections.synchronizedList(new ArrayList<>());
    final List<Fd> eventFds = Collections.synchronizedList(new ArrayList<>());
    volatile long number;
    final AtomicInteger resets = new AtomicInteger();
    final AtomicInteger writes = new AtomicInteger();
    private final AtomicInteger configWrites = new AtomicInteger();

    // Set before the device is served.
    List<VfioInfoCapability> capabilities = List.of();
    List<VfioIrqInfo> moreIrqs = List.of();
    Optional<VfioMigrationOps> migration = Optional.empty();
    Optional<IoasLogging> logging = Optional.empty();
    final Map<Integer, VfioRegionInfo> regionInfos = new ConcurrentHashMap<>();

    final Map<Integer, VfioRegionMemory> regionMemories = new ConcurrentHashMap<>();
    final Map<Integer, List<VfioIoEventFd>> ioEventFds = new ConcurrentHashMap<>();

    volatile Runnable onReset = () -> {};
    volatile Runnable onDetach = () -> {};
    volatile Runnable onFeature = () -> {};
    volatile Runnable onConfigWrite = () -> {};
    volatile Optional<IoAddressSpace> space = Optional.empty();

    @Override
    public String name() {
        return "fake";
    }

    @Override
    public void openDevice() {}

    @Override
    public void closeDevice() {
        dropEventFds();
    }

    @Override
    public VfioDeviceInfo info() {
        int flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
        return new VfioDeviceInfo(flags, 9, 5 + moreIrqs.size(), capabilities);
    }

    @Override
    public VfioRegionInfo regionInfo(int index) {
        VfioRegionInfo set = regionInfos.get(index);
        if (set != null) {
            return set;
        }
        int flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        return switch (index) {
            case 0 -> new VfioRegionInfo(index, flags, BAR0_SIZE);
            case 2 -> new VfioRegionInfo(index, flags, BAR2_SIZE);
            case 7 -> new VfioRegionInfo(index, flags, CONFIG_SIZE);
            default -> new VfioRegionInfo(index, 0, 0);
        };
    }

    @Override
    public VfioIrqInfo irqInfo(int index) {
        return switch (index) {
            case 0 -> new VfioIrqInfo(index, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE, 1);
            case 2 -> new VfioIrqInfo(index, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE, MSIX_VECTORS);
            case 3, 4 -> new VfioIrqInfo(index, VFIO_IRQ_INFO_EVENTFD, 1);
            case 1 -> new VfioIrqInfo(index, VFIO_IRQ_INFO_EVENTFD, 0);
            default -> moreIrqs.get(index - 5);
        };
    }

    @Override
    public Optional<VfioRegionMemory> regionMemory(int index) {
        return Optional.ofNullable(regionMemories.get(index));
    }

    @Override
    public List<VfioIoEventFd> ioEventFds(int index) {
        return ioEventFds.getOrDefault(index, List.of());
    }

    @Override
    public void setIrqs(VfioIrqSet set) {
        irqSets.add(set);
        if (set.count() == 0) {
            dropEventFds();
        }
        eventFds.addAll(set.eventFds());
    }

    @Override
    public void read(int region, long offset, MemorySegment buffer, long at, int count) {
        MemorySegment.copy(memory(region), offset, buffer, at, count);
    }

    @Override
    public void write(int region, long offset, MemorySegment buffer, long at, int count) {
        MemorySegment.copy(buffer, at, memory(region), offset, count);
        writes.incrementAndGet();
        if (region == 7) {
            configWrites.incrementAndGet();
            onConfigWrite.run();
        }
    }

    int barWrites() {
        return writes.get() - configWrites.get();
    }

    /** Feature 7 is a number of 64 bits, feature 5 can be set only, feature 8 answers with what it is asked and much behind it. */
    @Override
    public Optional<VfioDeviceFeature> feature(int index) {
        return switch (index) {
            case 7 -> Optional.of(new Number(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET));
            case 5 -> Optional.of(new Number(VFIO_DEVICE_FEATURE_SET));
            case 8 -> Optional.of(new Echo());
            default -> Optional.empty();
        };
    }

    private static final class Echo implements VfioDeviceFeature {

        @Override
        public int operations() {
            return VFIO_DEVICE_FEATURE_GET;
        }

        @Override
        public int sizeBytes() {
            return ECHO_QUESTION;
        }

        @Override
        public int get(MemorySegment data) {
            int all = (int) data.byteSize();
            data.asSlice(ECHO_QUESTION).fill((byte) 0x5a);
            return all;
        }

        @Override
        public void set(MemorySegment data) {
            throw new IllegalStateException("no operation of this feature");
        }
    }

    private final class Number implements VfioDeviceFeature {
        private final int operations;

        Number(int operations) {
            this.operations = operations;
        }

        @Override
        public int operations() {
            return operations;
        }

        @Override
        public int sizeBytes() {
            return Long.BYTES;
        }

        @Override
        public int get(MemorySegment data) {
            data.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, number);
            return Long.BYTES;
        }

        @Override
        public void set(MemorySegment data, Fd descriptor) {
            set(data);
            eventFds.add(descriptor);
        }

        @Override
        public void set(MemorySegment data) {
            onFeature.run();
            long wanted = data.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
            number = Math.min(wanted, Long.MAX_VALUE - 1);
            if (number != wanted) {
                // It takes less, and says so.
                data.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, number);
            }
        }
    }

    @Override
    public Optional<VfioMigrationOps> migration() {
        return migration;
    }

    @Override
    public Optional<VfioLoggingOps> logging() {
        return logging.map(ops -> ops);
    }

    @Override
    public void reset() {
        onReset.run();
        resets.incrementAndGet();
    }

    @Override
    public void attachIoas(IoAddressSpace newSpace) {
        logging.ifPresent(ops -> ops.attach(newSpace));
        space = Optional.of(newSpace);
    }

    @Override
    public void detachIoas() {
        onDetach.run();
        space = Optional.empty();
        logging.ifPresent(IoasLogging::detach);
    }

    @Override
    public void request(int count) {}

    private MemorySegment memory(int region) {
        return switch (region) {
            case 0 -> bar0;
            case 2 -> bar2;
            default -> config;
        };
    }

    private static MemorySegment decoding(MemorySegment config) {
        config.set(ValueLayout.JAVA_BYTE, PCI_COMMAND, (byte) (PCI_COMMAND_MEMORY | PCI_COMMAND_IO));
        return config;
    }

    private void dropEventFds() {
        synchronized (eventFds) {
            eventFds.forEach(Fd::close);
            eventFds.clear();
        }
    }
}
