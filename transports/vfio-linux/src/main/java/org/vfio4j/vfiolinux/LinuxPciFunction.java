package org.vfio4j.vfiolinux;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.IrqKind;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * A function of real hardware, on a bus of this process: what the kernel's vfio-pci, or whoever else has an open VFIO device, gives to its
 * user, as what drivers here expect of a function. One thread at a time uses it, {@link #configPeek} and {@link #unmaskIntx} apart.
 *
 * <p><b>What is virtual twice.</b> The kernel keeps a configuration space for its user as {@code vfio-pci-core} keeps one for the next user.
 * Where both have a register, the kernel's is what the core takes for hardware:
 *
 * <ul>
 *   <li>Ids, the chain of capabilities, and those that the kernel hides: the core reads them once and may hide more.
 *   <li>BARs and the ROM's: the addresses that this process's bus gives go into the kernel's copies, read back as BARs do, and decode
 *       nothing. The host's own addresses stay, also over a reset, and accesses go by region.
 *   <li>COMMAND: memory and I/O decode pass through both. INTx disable is virtual in both and masks in both; the kernel takes a write that
 *       clears it for an unmask, so the level is low until it tells it again. Bus master is as the user wants it only while the function
 *       has memory, and off otherwise: hardware does not know that the memory of its last user is gone, and an IOMMU that catches it says so
 *       in the host's log each time. It reads as the user wants it.
 *   <li>The control words of MSI and MSI-X: what the core writes there is dropped, because the kernel sets them when it is asked for
 *       vectors ({@link #useIrqs}). Reading tells what the kernel shows, which for MSI is never that it is enabled. The MSI-X table and the pending bits are the core's; the kernel's
 *       are never touched, and no vector is masked there.
 *   <li>The power state passes through both. Each saves and restores what D3hot loses, and so twice.
 *   <li>Function level reset: the core has the bits for itself, and asks for {@link #reset}. The kernel restores all of its configuration
 *       after one; what a reset clears in COMMAND is cleared here, as the core expects it.
 *   <li>Payload and read request sizes: the kernel limits what reaches the device, and the core does so with what the kernel shows.
 *   <li>SR-IOV is read-only in the kernel: virtual functions cannot be turned on from here.
 * </ul>
 */
public final class LinuxPciFunction implements PciFunction, AutoCloseable {

    private static final Logger LOG = System.getLogger(LinuxPciFunction.class.getName());
    private static final int RESET_BY_FLR =
            PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE;

    private final String name;
    private final VfioDeviceFile device;
    private final FunctionFile file;
    private final FunctionDma dma;
    private final FunctionIrqs irqs;
    private final FunctionNotices notices = new FunctionNotices();
    private final boolean mappable;
    private final List<PciBar> bars;
    private final int configSize;
    private final int romSizeBytes;
    private final int msi;
    private final int msix;

    private volatile Runnable onRequest = this::ignoreRequest;

    // For good: the kernel asks when nothing can stop it any more.
    private volatile boolean wantedBack;

    // COMMAND as the function's user wants it.
    private volatile boolean master;
    private boolean intxDisabled;
    private @Nullable DmaSpace space;
    private boolean mayBeMapped;

    /**
     * @param name for messages and its thread: its address
     * @param device open, and owned from now on, also when this fails
     * @param mappable whether its users may map its BARs, as far as the device can: they get the device's own descriptor for that, by which
     *     they can do all that this process can do to the device
     * @throws ErrnoException ENODEV for a device that is none on PCI; EOPNOTSUPP for one that cannot be reset: each user would find what
     *     the last one has left in it
     */
    public LinuxPciFunction(String name, VfioDeviceFile device, boolean mappable) {
        this.name = name;
        this.device = device;
        this.mappable = mappable;
        file = new FunctionFile(device);
        try {
            check(name, device.info().flags());
            configSize = FunctionLayout.configSize(device);
            bars = FunctionLayout.bars(device);
            romSizeBytes = FunctionLayout.romSizeBytes(device);
            msi = FunctionLayout.capability(device, PCI_CAP_ID_MSI);
            msix = FunctionLayout.capability(device, PCI_CAP_ID_MSIX);
            irqs = new FunctionIrqs(name, file);
            notices.listen(device, VFIO_PCI_ERR_IRQ_INDEX, irqs::error);
            notices.listen(device, VFIO_PCI_REQ_IRQ_INDEX, this::requested);
        } catch (RuntimeException e) {
            notices.close();
            device.close();
            throw e;
        }
        dma = new FunctionDma(name, file);
    }

    private static void check(String name, int flags) {
        if ((flags & VFIO_DEVICE_FLAGS_PCI) == 0) {
            throw new ErrnoException(ENODEV, name + " is no PCI device");
        }
        if ((flags & VFIO_DEVICE_FLAGS_RESET) == 0) {
            throw new ErrnoException(
                    EOPNOTSUPP, name + " cannot be reset: a user would find what the user before it has left");
        }
    }

    /**
     * Has somebody hear when the kernel wants the function back, because it is unbound or unplugged. The kernel asks at once and then every
     * ten seconds, and waits until this is closed.
     *
     * @param action runs each time; must not block, nor close this
     */
    public void onRequest(Runnable action) {
        onRequest = action;
    }

    private void requested() {
        wantedBack = true;
        onRequest.run();
    }

    private void ignoreRequest() {
        LOG.log(Level.WARNING, "{0}: the kernel wants it back, and waits; nobody here hears it", name);
    }

    @Override
    public int configSize() {
        return configSize;
    }

    @Override
    public int configRead(int offset, int width) {
        int value = (int) file.read(VFIO_PCI_CONFIG_REGION_INDEX, offset, width);
        if (offset > PCI_COMMAND || offset + width <= PCI_COMMAND) {
            return value;
        }
        int bit = PCI_COMMAND_MASTER << (Byte.SIZE * (PCI_COMMAND - offset));
        return master ? value | bit : value & ~bit;
    }

    /** {@inheritDoc} All-ones where the device does not answer, as on a bus. */
    @Override
    public int configPeek(int offset, int width) {
        try {
            return configRead(offset, width);
        } catch (ErrnoException e) {
            return -1 >>> (Integer.SIZE - Byte.SIZE * width);
        }
    }

    @Override
    public void configWrite(int offset, int width, int value) {
        int dword = offset & -Integer.BYTES;
        if ((msi != 0 && dword == msi) || (msix != 0 && dword == msix)) {
            return;
        }
        int written = value;
        if (dword == PCI_COMMAND) {
            written = commandWritten(offset, width, value);
        }
        file.write(VFIO_PCI_CONFIG_REGION_INDEX, offset, width, written);
    }

    /** Takes note of what of COMMAND is written. Returns what is to be written instead. */
    private int commandWritten(int offset, int width, int value) {
        int shift = Byte.SIZE * (offset - PCI_COMMAND);
        long covered = ((1L << (Byte.SIZE * width)) - 1) << shift;
        int command = value << shift;
        if ((covered & PCI_COMMAND_INTX_DISABLE) != 0) {
            boolean disable = (command & PCI_COMMAND_INTX_DISABLE) != 0;
            if (intxDisabled && !disable) {
                irqs.lowerIntx();
            }
            intxDisabled = disable;
        }
        if ((covered & PCI_COMMAND_MASTER) != 0) {
            master = (command & PCI_COMMAND_MASTER) != 0;
            return space == null ? value & ~PCI_COMMAND_MASTER : value;
        }
        return value;
    }

    @Override
    public List<PciBar> bars() {
        return bars;
    }

    @Override
    public long barRead(int bar, long offset, int width) {
        return file.read(bar, offset, width);
    }

    @Override
    public void barWrite(int bar, long offset, int width, long value) {
        file.write(bar, offset, width, value);
    }

    @Override
    public Optional<BarMemory> barMemory(int bar) {
        return mappable ? FunctionLayout.memory(device, bar) : Optional.empty();
    }

    @Override
    public int romSizeBytes() {
        return romSizeBytes;
    }

    @Override
    public long romRead(long offset, int width) {
        return file.read(VFIO_PCI_ROM_REGION_INDEX, offset, width);
    }

    @Override
    public void connectIrqs(IrqSink sink) {
        irqs.connect(sink);
    }

    @Override
    public void useIrqs(IrqKind kind, int vectors) {
        irqs.use(kind, vectors);
    }

    @Override
    public void unmaskIntx() {
        irqs.unmaskIntx();
    }

    @Override
    public boolean writesThroughWindows() {
        return false;
    }

    @Override
    public void attachDma(DmaSpace newSpace) {
        if (mayBeMapped) {
            // It could not be unmapped when its user left.
            unmapAll();
        }
        newSpace.follow(dma);
        mayBeMapped = true;
        space = newSpace;
        irqs.attach(newSpace);
        if (master) {
            changeCommand(PCI_COMMAND_MASTER, PCI_COMMAND_MASTER);
        }
    }

    @Override
    public void detachDma() {
        DmaSpace old = space;
        if (old == null) {
            if (mayBeMapped) {
                unmapAll();
            }
            return;
        }
        space = null;
        try {
            changeCommand(PCI_COMMAND_MASTER, 0);
        } finally {
            irqs.detach();
            try {
                old.unfollow(dma);
            } finally {
                // Also what could not be unmapped before: the next user's memory is another.
                unmapAll();
            }
        }
    }

    private void unmapAll() {
        file.dmaUnmapAll();
        mayBeMapped = false;
    }

    /**
     * {@inheritDoc}
     *
     * @throws ErrnoException what the kernel says; EAGAIN while it takes the function away: it resets nothing then, for whoever has had
     *     it let go holds the lock that a reset needs
     */
    @Override
    public void reset() {
        try {
            file.reset();
        } catch (ErrnoException e) {
            if (e.errno() == EAGAIN && wantedBack) {
                throw new ErrnoException(
                        EAGAIN,
                        name + " is not reset: the kernel takes it away, and lets nobody reset it meanwhile;"
                                + " later by /sys/bus/pci/devices/" + name + "/reset");
            }
            throw e;
        }
        // Not only lowered: the kernel keeps INTx masked over a reset.
        irqs.unmaskIntx();
        master = false;
        intxDisabled = false;
        changeCommand(RESET_BY_FLR, 0);
    }

    private void changeCommand(int mask, int value) {
        long was = file.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, Short.BYTES);
        file.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, Short.BYTES, (was & ~mask) | value);
    }

    /** Lets go of the device. It is on no bus any more. */
    @Override
    public void close() {
        notices.close();
        try {
            irqs.close();
        } finally {
            file.close();
        }
    }
}
