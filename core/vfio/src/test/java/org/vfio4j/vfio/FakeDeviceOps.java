package org.vfio4j.vfio;

import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A device of two regions and two irq indices that writes down what reaches it. */
final class FakeDeviceOps implements VfioDeviceOps {

    static final int REGION_BYTES = 256;
    static final int VECTORS = 2048;

    final List<String> log = new ArrayList<>();
    final List<VfioIrqSet> irqSets = new ArrayList<>();
    String name = "fake";
    RuntimeException failOpen;
    RuntimeException failUserLeft;
    Runnable onRequest = () -> {};
    Optional<VfioMigrationOps> migration = Optional.empty();
    Optional<IoasLogging> logging = Optional.empty();

    @Override
    public String name() {
        return name;
    }

    @Override
    public void openDevice() {
        log.add("open");
        if (failOpen != null) {
            throw failOpen;
        }
    }

    @Override
    public void closeDevice() {
        log.add("close");
    }

    @Override
    public VfioDeviceInfo info() {
        return new VfioDeviceInfo(VFIO_DEVICE_FLAGS_PCI, 3, 2);
    }

    @Override
    public VfioRegionInfo regionInfo(int index) {
        return switch (index) {
            case 0 -> new VfioRegionInfo(0, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE, REGION_BYTES);
            case 1 -> new VfioRegionInfo(1, VFIO_REGION_INFO_FLAG_READ, REGION_BYTES);
            default -> new VfioRegionInfo(index, 0, 0);
        };
    }

    @Override
    public VfioIrqInfo irqInfo(int index) {
        return index == 0
                ? new VfioIrqInfo(0, VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE, VECTORS)
                : new VfioIrqInfo(1, VFIO_IRQ_INFO_EVENTFD, 1);
    }

    @Override
    public void setIrqs(VfioIrqSet set) {
        irqSets.add(set);
        set.closeEventFds();
    }

    @Override
    public void read(int region, long offset, MemorySegment buffer, long at, int count) {
        log.add("read " + region + " " + offset + " " + count);
    }

    @Override
    public void write(int region, long offset, MemorySegment buffer, long at, int count) {
        log.add("write " + region + " " + offset + " " + count);
    }

    @Override
    public Optional<VfioMigrationOps> migration() {
        return migration;
    }

    @Override
    public Optional<VfioLoggingOps> logging() {
        return logging.map(l -> l);
    }

    @Override
    public void reset() {
        log.add("reset");
    }

    @Override
    public void attachIoas(IoAddressSpace space) {
        log.add("attach");
        logging.ifPresent(l -> l.attach(space));
    }

    @Override
    public void detachIoas() {
        log.add("detach");
        logging.ifPresent(IoasLogging::detach);
    }

    @Override
    public void userLeft() {
        if (failUserLeft != null) {
            throw failUserLeft;
        }
    }

    @Override
    public void request(int count) {
        log.add("request " + count);
        onRequest.run();
    }
}
