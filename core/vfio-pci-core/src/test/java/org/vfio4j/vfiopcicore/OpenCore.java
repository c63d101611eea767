package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegistry;

/** A function, opened through VFIO as a user would, with short ways to say what tests say often. */
final class OpenCore implements AutoCloseable {

    final FakePciFunction function;
    final VfioPciCore core;
    final LocalDeviceFile file;
    private final MemorySegment buffer = Arena.ofAuto().allocate(8192);

    OpenCore(FakePciFunction function) {
        this(function, core -> {});
    }

    /** @param probe what a driver does before its device is opened */
    OpenCore(FakePciFunction function, Consumer<VfioPciCore> probe) {
        this.function = function;
        this.core = new VfioPciCore("test", function);
        probe.accept(core);
        VfioRegistry registry = new VfioRegistry();
        registry.register(core, () -> () -> {}, "0000:08:00.0");
        this.file = registry.open("vfio0");
    }

    static OpenCore disk() {
        return new OpenCore(FakePciFunction.disk());
    }

    long read(int region, long offset, int width) {
        buffer.asSlice(0, 8).fill((byte) 0);
        file.read(region, offset, buffer, 0, width);
        return LittleEndian.get(buffer, 0, 8);
    }

    void write(int region, long offset, int width, long value) {
        LittleEndian.put(buffer, 0, 8, value);
        file.write(region, offset, buffer, 0, width);
    }

    int config(int offset, int width) {
        return (int) read(VFIO_PCI_CONFIG_REGION_INDEX, offset, width);
    }

    void config(int offset, int width, int value) {
        write(VFIO_PCI_CONFIG_REGION_INDEX, offset, width, value);
    }

    void set(int flags, int index, int start, int count) {
        file.setIrqs(VfioIrqSet.none(flags, index, start, count));
    }

    /** Assigns new eventfds to {@code count} vectors; returns duplicates for the test to look at. */
    List<Fd> assign(int index, int start, int count) {
        List<Fd> given = new ArrayList<>();
        List<Fd> kept = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Fd fd = EventFd.create();
            given.add(fd);
            kept.add(fd.dup());
        }
        file.setIrqs(VfioIrqSet.eventFds(
                VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, index, start, count, given));
        return kept;
    }

    void deassign(int index, int start, int count) {
        file.setIrqs(VfioIrqSet.eventFds(
                VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, index, start, count, List.of()));
    }

    void disable(int index) {
        set(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 0);
    }

    void mask(int index, int vector) {
        set(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_MASK, index, vector, 1);
    }

    void unmask(int index, int vector) {
        set(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, index, vector, 1);
    }

    void trigger(int index, int vector) {
        set(VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, index, vector, 1);
    }

    /** How often the eventfd was signalled since the last look. */
    static long signals(Fd fd) {
        return Math.max(0, EventFd.drain(fd.value()));
    }

    @Override
    public void close() {
        file.close();
    }
}
