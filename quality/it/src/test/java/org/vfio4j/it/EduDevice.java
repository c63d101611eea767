package org.vfio4j.it;

import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_BAR0_REGION_INDEX;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_CONFIG_REGION_INDEX;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.locks.LockSupport;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.vfio.VfioRegionMemory;
import org.vfio4j.vfiolinux.LinuxVfioDevice;

/** QEMU's device for teaching (its docs/specs/edu.rst), with its registers mapped. Belongs to one thread. */
final class EduDevice implements AutoCloseable {

    static final int IDENTIFICATION = 0x00;
    static final int LIVENESS = 0x04;
    static final int FACTORIAL = 0x08;
    static final int STATUS = 0x20;
    static final int INTERRUPT_STATUS = 0x24;
    static final int INTERRUPT_RAISE = 0x60;
    static final int INTERRUPT_ACKNOWLEDGE = 0x64;
    static final int STATUS_INTERRUPTS = 0x80;

    /** What is at {@link #IDENTIFICATION}: version 1.0. */
    static final int EDU = 0x010000ed;

    /** Bytes of its memory. */
    static final int MEMORY_BYTES = 4096;

    private static final int MEMORY = 0x40000;
    private static final int DMA_SOURCE = 0x80;
    private static final int DMA_DESTINATION = 0x88;
    private static final int DMA_COUNT = 0x90;
    private static final int DMA_COMMAND = 0x98;
    private static final int DMA_START = 1;
    private static final int DMA_FROM_DEVICE = 2;

    private static final long PATIENCE_NS = 20_000_000_000L;
    private static final long PAUSE_NS = 5_000_000;

    private final LinuxVfioDevice file;
    private final Mapping registers;

    private EduDevice(LinuxVfioDevice file) {
        this.file = file;
        VfioRegionMemory memory = file.regionMemory(VFIO_PCI_BAR0_REGION_INDEX).orElseThrow();
        long size = file.regionInfo(VFIO_PCI_BAR0_REGION_INDEX).sizeBytes();
        registers = Mapping.shared(memory.fd(), memory.offset(), size, Mapping.PROT_READ | Mapping.PROT_WRITE);
    }

    static EduDevice open(PciAddress address) {
        LinuxVfioDevice file = LinuxVfioDevice.open(address);
        try {
            return new EduDevice(file);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    LinuxVfioDevice file() {
        return file;
    }

    int get(int register) {
        return RawMemory.getIntAcquire(registers.address() + register);
    }

    void put(int register, int value) {
        RawMemory.putIntRelease(registers.address() + register, value);
    }

    void allowDma() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment command = arena.allocate(JAVA_SHORT);
            file.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command, 0, Short.BYTES);
            command.set(JAVA_SHORT, 0, (short) (command.get(JAVA_SHORT, 0) | PCI_COMMAND_MASTER));
            file.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, command, 0, Short.BYTES);
        }
    }

    /** The device reads {@code count} bytes at {@code iova} into its memory. */
    void readDma(long iova, int count) {
        transfer(iova, MEMORY, count, DMA_START);
    }

    /** The device writes {@code count} bytes of its memory to {@code iova}. */
    void writeDma(long iova, int count) {
        transfer(MEMORY, iova, count, DMA_START | DMA_FROM_DEVICE);
    }

    private void transfer(long source, long destination, long count, long command) {
        RawMemory.putLongRelease(registers.address() + DMA_SOURCE, source);
        RawMemory.putLongRelease(registers.address() + DMA_DESTINATION, destination);
        RawMemory.putLongRelease(registers.address() + DMA_COUNT, count);
        RawMemory.putLongRelease(registers.address() + DMA_COMMAND, command);
        long end = System.nanoTime() + PATIENCE_NS;
        while ((RawMemory.getLongAcquire(registers.address() + DMA_COMMAND) & DMA_START) != 0) {
            HostChecks.expect("edu's DMA ends", System.nanoTime() < end);
            LockSupport.parkNanos(PAUSE_NS);
        }
    }

    @Override
    public void close() {
        try {
            registers.close();
        } finally {
            file.close();
        }
    }
}
