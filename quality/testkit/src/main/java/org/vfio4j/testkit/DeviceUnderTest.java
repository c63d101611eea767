package org.vfio4j.testkit;

import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.uapi.PciRegs;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegionInfo;

/** An open device in the words of the rules. One thread. */
final class DeviceUnderTest {

    static final int CONFIG = VFIO_PCI_CONFIG_REGION_INDEX;
    static final int ASSIGN = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
    static final int FIRE = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;

    private static final long SIGNAL_WAIT_NS = 1_000_000_000L;

    private final VfioDeviceFile file;

    /** The rule says nothing about this device. */
    static final class NotApplicable extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    DeviceUnderTest(VfioDeviceFile file) {
        this.file = file;
    }

    VfioDeviceFile file() {
        return file;
    }

    void resetIfPossible() {
        if ((file.info().flags() & VFIO_DEVICE_FLAGS_RESET) != 0) {
            file.reset();
        }
    }

    /** Regions that exist. */
    List<VfioRegionInfo> regions() {
        return IntStream.range(0, file.info().numRegions())
                .mapToObj(file::regionInfo)
                .filter(region -> region.sizeBytes() != 0)
                .toList();
    }

    /** Interrupt indices with vectors. */
    List<VfioIrqInfo> irqs() {
        return IntStream.range(0, file.info().numIrqs())
                .mapToObj(file::irqInfo)
                .filter(irq -> irq.count() != 0)
                .toList();
    }

    int config(int offset, int width) {
        return (int) read(CONFIG, offset, width);
    }

    void setConfig(int offset, int width, int value) {
        write(CONFIG, offset, width, value);
    }

    long read(int region, long offset, int width) {
        MemorySegment data = MemorySegment.ofArray(new byte[8]);
        file.read(region, offset, data, 0, width);
        return data.get(ValueLayout.JAVA_LONG_UNALIGNED, 0);
    }

    void write(int region, long offset, int width, long value) {
        MemorySegment data = MemorySegment.ofArray(new byte[8]);
        data.set(ValueLayout.JAVA_LONG_UNALIGNED, 0, value);
        file.write(region, offset, data, 0, width);
    }

    /** Where a capability is in configuration space; 0 when there is none. */
    int capability(int id) {
        return capabilities().stream()
                .filter(at -> config(at, 1) == id)
                .findFirst()
                .orElse(0);
    }

    /** Where the capabilities are, as far as the chain makes sense. */
    List<Integer> capabilities() {
        List<Integer> found = new ArrayList<>();
        int at = config(PciRegs.PCI_CAPABILITY_LIST, 1);
        while (at >= 0x40 && !found.contains(at)) {
            found.add(at);
            at = config(at + 1, 1);
        }
        return found;
    }

    void setIrqs(int flags, int index, int start, int count, Fd... fds) {
        file.setIrqs(VfioIrqSet.eventFds(flags, index, start, count, List.of(fds)));
    }

    /** Takes every vector of an index out of use. */
    void disable(int index) {
        file.setIrqs(VfioIrqSet.none(FIRE, index, 0, 0));
    }

    void applicable(boolean is) {
        if (!is) {
            throw new NotApplicable();
        }
    }

    static void expect(boolean holds, String seen) {
        if (!holds) {
            throw new AssertionError(seen);
        }
    }

    static void expectErrno(String call, Runnable body, int... allowed) {
        int errno = errnoOf(body);
        String wanted = IntStream.of(allowed).mapToObj(Errno::name).collect(Collectors.joining(" or "));
        expect(
                IntStream.of(allowed).anyMatch(each -> each == errno),
                call + ": " + (errno == 0 ? "accepted" : Errno.name(errno)) + " instead of " + wanted);
    }

    static int errnoOf(Runnable body) {
        try {
            body.run();
            return 0;
        } catch (ErrnoException e) {
            return e.errno();
        }
    }

    /** Waits until an eventfd is signalled, and takes the count. */
    static void expectSignal(String what, Fd event) {
        expect(
                Poll.poll(event.value(), Poll.POLLIN, SIGNAL_WAIT_NS) != 0,
                what + ": its eventfd was not signalled within 1 s");
        EventFd.drain(event.value());
    }

    static void expectNoSignal(String what, Fd event) {
        expect(Poll.poll(event.value(), Poll.POLLIN, 0) == 0, what + ": an eventfd was signalled");
    }

    static String hex(long value) {
        return "0x" + Long.toHexString(value);
    }
}
