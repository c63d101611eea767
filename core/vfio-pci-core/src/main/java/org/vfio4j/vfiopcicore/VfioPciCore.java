package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.uapi.PciRegs.PCI_HEADER_TYPE;
import static org.vfio4j.uapi.PciRegs.PCI_HEADER_TYPE_MASK;
import static org.vfio4j.uapi.PciRegs.PCI_HEADER_TYPE_NORMAL;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.VfioDeviceFeature;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioDeviceOps;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VfioRegionInfo;

/**
 * Every operation of a VFIO device, done for a PCI function: what a driver for PCI devices stands on. A driver that needs
 * something else of one operation implements {@link VfioDeviceOps} itself and delegates the others to one of these.
 *
 * <p>The user's thread calls, one at a time, {@link #request} apart.
 */
public final class VfioPciCore implements VfioDeviceOps {

    private static final Logger LOG = System.getLogger(VfioPciCore.class.getName());

    private static final int READ_WRITE = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;

    private final String name;
    private final PciFunction function;

    // Null while the device is closed. Volatile for request() alone.
    private volatile @Nullable PciSession session;

    /**
     * @param name the driver's name for itself, as {@code vfio-pci}
     * @param function what it drives
     * @throws ErrnoException EINVAL for a bridge: only normal functions (header type 0) can be given to users
     */
    public VfioPciCore(String name, PciFunction function) {
        int headerType = function.configRead(PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MASK;
        if (headerType != PCI_HEADER_TYPE_NORMAL) {
            throw new ErrnoException(EINVAL, name + ": header type " + headerType + ", only 0 can be used");
        }
        this.name = name;
        this.function = function;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public void openDevice() {
        session = new PciSession(function);
    }

    @Override
    public void closeDevice() {
        PciSession closing = open();
        session = null;
        closing.close();
    }

    @Override
    public VfioDeviceInfo info() {
        return new VfioDeviceInfo(
                VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET, VFIO_PCI_NUM_REGIONS, VFIO_PCI_NUM_IRQS);
    }

    @Override
    public VfioRegionInfo regionInfo(int index) {
        if (index == VFIO_PCI_CONFIG_REGION_INDEX) {
            return new VfioRegionInfo(index, READ_WRITE, function.configSize());
        }
        for (PciBar bar : function.bars()) {
            if (bar.index() == index) {
                return new VfioRegionInfo(index, READ_WRITE, bar.sizeBytes());
            }
        }
        return new VfioRegionInfo(index, 0, 0);
    }

    @Override
    public VfioIrqInfo irqInfo(int index) {
        return open().interrupts().info(index);
    }

    @Override
    public void setIrqs(VfioIrqSet set) {
        open().interrupts().set(set);
    }

    @Override
    public void read(int region, long offset, MemorySegment buffer, long at, int count) {
        PciSession opened = open();
        if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
            opened.config().read((int) offset, buffer, at, count);
        } else {
            checkBar(region);
            opened.bars().read(region, offset, buffer, at, count);
        }
    }

    @Override
    public void write(int region, long offset, MemorySegment buffer, long at, int count) {
        PciSession opened = open();
        if (region == VFIO_PCI_CONFIG_REGION_INDEX) {
            opened.config().write((int) offset, buffer, at, count);
        } else {
            checkBar(region);
            opened.bars().write(region, offset, buffer, at, count);
        }
    }

    @Override
    public Optional<VfioDeviceFeature> feature(int index) {
        return index == VFIO_DEVICE_FEATURE_BUS_MASTER
                ? Optional.of(new BusMasterFeature(open().config()))
                : Optional.empty();
    }

    @Override
    public void reset() {
        open().reset();
    }

    @Override
    public void attachIoas(IoAddressSpace space) {
        PciSession opened = open();
        function.attachDma(space);
        opened.interrupts().setSpace(space);
    }

    @Override
    public void detachIoas() {
        PciSession opened = open();
        function.detachDma();
        opened.interrupts().setSpace(null);
    }

    @Override
    public void request(int count) {
        PciSession opened = session;
        if (opened == null || opened.interrupts().reqTrigger().signal()) {
            return;
        }
        if (count == 0) {
            LOG.log(
                    Level.WARNING,
                    "{0}: the user of a device that is wanted back takes no requests; waiting for it",
                    name);
        }
    }

    private PciSession open() {
        PciSession opened = session;
        if (opened == null) {
            throw new ErrnoException(ENODEV, name + ": the device is not open");
        }
        return opened;
    }

    private void checkBar(int region) {
        if (region < VFIO_PCI_BAR0_REGION_INDEX || region > VFIO_PCI_BAR5_REGION_INDEX) {
            throw new ErrnoException(EINVAL, name + ": region " + region + " cannot be accessed");
        }
    }
}
