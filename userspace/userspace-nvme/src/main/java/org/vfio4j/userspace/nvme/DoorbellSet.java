package org.vfio4j.userspace.nvme;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.sys.Errno.EPROTO;
import static org.vfio4j.userspace.nvme.NvmeNumbers.*;

import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Mapping;
import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.userspace.nvme.NvmeOptions.Doorbells;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * Makes the doorbells of the I/O queues, and owns what they are in. The admin queue's are always written. Belongs to the thread that
 * opens the driver.
 */
final class DoorbellSet implements AutoCloseable {

    private final NvmeRegisters registers;
    private final Doorbells how;
    private final Optional<Mapping> page;

    /** Of the first doorbell, of the admin queue; 0 when they are written. */
    private final long base;

    private final long eventIndexBase;

    /** Where the shadow doorbells are in the memory, or {@link DriverState#WRITTEN}. */
    private final long shadowAt;

    private DoorbellSet(
            NvmeRegisters registers,
            Doorbells how,
            Optional<Mapping> page,
            long base,
            long eventIndexBase,
            long shadowAt) {
        this.registers = registers;
        this.how = how;
        this.page = page;
        this.base = base;
        this.eventIndexBase = eventIndexBase;
        this.shadowAt = shadowAt;
    }

    /** Memory that it takes at most. */
    static long bytes(int pageBytes) {
        return 3L * pageBytes;
    }

    /**
     * Finds out how doorbells can be rung.
     *
     * @param queues I/O queue pairs that there are to be
     * @param wanted how they shall be rung, if the controller offers it
     * @throws ErrnoException EPROTO when the doorbells are not all in the region
     */
    static DoorbellSet open(
            VfioDeviceFile file,
            NvmeRegisters registers,
            AdminQueue admin,
            NvmeInfo info,
            DmaMemory memory,
            int queues,
            Doorbells wanted) {
        long end = registers.doorbellAt(queues + 1, false);
        long regionBytes = file.regionInfo(BAR0).sizeBytes();
        if (end > regionBytes - REG_DOORBELLS) {
            throw new ErrnoException(
                    EPROTO,
                    "NVMe doorbells of " + queues + " queues end at " + (REG_DOORBELLS + end) + ": region 0 has "
                            + regionBytes + " bytes");
        }
        boolean mapped = wanted == Doorbells.MAPPED || wanted == Doorbells.MAPPED_UNSEALED;
        if (mapped) {
            Optional<Mapping> page = DoorbellPage.map(file, end, wanted == Doorbells.MAPPED_UNSEALED);
            if (page.isPresent()) {
                return new DoorbellSet(registers, wanted, page, page.get().address(), 0, DriverState.WRITTEN);
            }
        }
        int pageBytes = registers.pageBytes();
        if (wanted != Doorbells.WRITTEN && (info.oacs() & OACS_DOORBELL_BUFFER) != 0 && end <= pageBytes) {
            long at = memory.allocate(2L * pageBytes, pageBytes);
            admin.doorbellBuffers(memory.iova(at));
            return shadow(registers, memory, at);
        }
        return new DoorbellSet(registers, Doorbells.WRITTEN, Optional.empty(), 0, 0, DriverState.WRITTEN);
    }

    /**
     * Those that another driver has used.
     *
     * @param queues I/O queue pairs that there are
     * @throws ErrnoException EINVAL when they are not all in the memory
     */
    static DoorbellSet resume(NvmeRegisters registers, DmaMemory memory, DriverState state, int queues) {
        long at = state.shadowAt();
        if (at == DriverState.WRITTEN) {
            return new DoorbellSet(registers, Doorbells.WRITTEN, Optional.empty(), 0, 0, at);
        }
        int pageBytes = registers.pageBytes();
        boolean inside = at % pageBytes == 0 && memory.contains(at, 2L * pageBytes);
        if (!inside || registers.doorbellAt(queues + 1, false) > pageBytes) {
            throw new ErrnoException(
                    EINVAL, "state of an NVMe driver: doorbells of " + queues + " queues at " + at + " of its memory");
        }
        return shadow(registers, memory, at);
    }

    private static DoorbellSet shadow(NvmeRegisters registers, DmaMemory memory, long at) {
        long shadow = memory.address(at);
        return new DoorbellSet(
                registers, Doorbells.SHADOW, Optional.empty(), shadow, shadow + registers.pageBytes(), at);
    }

    /** @throws ErrnoException EOPNOTSUPP for doorbells that another device does not have */
    long shadowAt() {
        if (how == Doorbells.MAPPED || how == Doorbells.MAPPED_UNSEALED) {
            throw new ErrnoException(EOPNOTSUPP, "save an NVMe driver whose doorbells are the device's memory");
        }
        return shadowAt;
    }

    Doorbells how() {
        return how;
    }

    /** A queue's doorbell: a submission queue's tail, or a completion queue's head. */
    Doorbell of(int queue, boolean completion) {
        long at = registers.doorbellAt(queue, completion);
        Doorbell.Written register = new Doorbell.Written(registers, REG_DOORBELLS + at);
        return switch (how) {
            case WRITTEN -> register;
            case MAPPED, MAPPED_UNSEALED -> new Doorbell.Mapped(base + at);
            case SHADOW -> new Doorbell.Shadow(base + at, eventIndexBase + at, register);
        };
    }

    /** No queue may ring any more. */
    @Override
    public void close() {
        page.ifPresent(Mapping::close);
    }
}
