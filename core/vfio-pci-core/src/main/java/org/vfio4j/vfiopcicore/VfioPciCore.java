package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.uapi.PciRegs.PCI_HEADER_TYPE;
import static org.vfio4j.uapi.PciRegs.PCI_HEADER_TYPE_MASK;
import static org.vfio4j.uapi.PciRegs.PCI_HEADER_TYPE_NORMAL;
import static org.vfio4j.uapi.PciRegs.PCI_STD_HEADER_SIZEOF;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.ErrnoException;
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
import org.vfio4j.vfiopcifacts.PciFacts;
import org.vfio4j.vfiopcifacts.PciFactsTable;

/**
 * Every operation of a VFIO device, done for a PCI function: what a driver for PCI devices stands on. A driver that needs
 * something else of one operation implements {@link VfioDeviceOps} itself and delegates the others to one of these.
 *
 * <p>A driver and the platform's {@linkplain VfioPciExtension extensions} add to it. Regions and interrupt indices that are
 * registered while the device is closed, as at probe, stay until {@link #release}; those that are registered in a driver's own
 * {@code openDevice}, behind this one's, go with {@code closeDevice}. Users learn of them when they open the device, so neither
 * can be added later.
 *
 * <p>The user's thread calls, one at a time, {@link #request} and {@link #trap} apart.
 */
public final class VfioPciCore implements VfioDeviceOps {

    private static final Logger LOG = System.getLogger(VfioPciCore.class.getName());

    private final String name;
    private final PciFunction function;
    private final Traps traps = new Traps();
    private final Regions regions;
    private final RegionAccess access;
    private final DeviceIrqs deviceIrqs = new DeviceIrqs();
    private final Features features = new Features();
    private final List<VfioInfoCapability> capabilities = new CopyOnWriteArrayList<>();
    private final IoasLogging logging = new IoasLogging();
    private final List<ConfigAddition> additions = new CopyOnWriteArrayList<>();

    // Set before the driver registers the device.
    private Optional<VfioMigrationOps> migration = Optional.empty();
    private Optional<VfioLoggingOps> ownLogging = Optional.empty();
    private Runnable afterReset = () -> {};
    private DeviceUse use;
    private @Nullable PciDevice device;
    private boolean brokenIntxMasking;

    // Null while the device is closed. Volatile for request() alone.
    private volatile @Nullable PciSession session;

    /**
     * For a function that is on no bus: without extensions.
     *
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
        this.regions = new Regions(function, traps);
        this.access = new RegionAccess(traps, regions);
        this.use = DeviceUse.of(function);
    }

    /**
     * For a device on a bus, with what facts and extensions add to it: what a driver's probe calls.
     *
     * @throws ErrnoException EINVAL for a bridge and for facts that do not fit the function, and what an extension says, ENODEV
     *     apart
     */
    public static VfioPciCore create(String name, PciDevice device) {
        VfioPciCore core = new VfioPciCore(name, device.function());
        core.device = device;
        core.use = DeviceUse.of(device);
        core.use.own().ifPresent(token -> core.addFeature(VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, new VfTokenFeature(token)));
        core.addFacts(
                name + ": facts of " + device, PciFactsTable.of(device.bus()).of(device.function()));
        Extensions.attachAll(core, device);
        return core;
    }

    /**
     * {@code vfio_pci_core_register_dev_region}: adds a device-specific region.
     *
     * @param type of its TYPE capability: {@code VFIO_REGION_TYPE_*}, or {@code VFIO_REGION_TYPE_PCI_VENDOR_TYPE} with a
     *     vendor's id
     * @param subtype what the type says it is
     * @param flags {@code VFIO_REGION_INFO_FLAG_READ}, {@code _WRITE}, {@code _MMAP}
     * @return its region index
     * @throws ErrnoException EINVAL for a negative size or unknown flags
     */
    public int registerDevRegion(int type, int subtype, VfioPciRegionOps ops, long sizeBytes, int flags) {
        return regions.add(type, subtype, ops, sizeBytes, flags);
    }

    /**
     * Gives the device a VGA region, at {@code VFIO_PCI_VGA_REGION_INDEX}: 0xc0000 bytes that begin at address 0, of which the
     * memory at 0xa0000 to 0xbffff and the ports at 0x3b0 to 0x3df mean something. Stays until {@link #release}.
     *
     * @throws ErrnoException EBUSY when it has one or is open
     */
    public void registerVgaRegion(VfioPciRegionOps ops) {
        regions.addVga(ops);
    }

    /**
     * Adds a device-specific interrupt index, which says what it is by {@code VFIO_IRQ_INFO_CAP_TYPE}. It can be triggered and
     * not masked.
     *
     * @param type as of {@link #registerDevRegion}
     * @param count its vectors
     * @throws ErrnoException EINVAL when {@code count} is not positive
     */
    public VfioPciDevIrq registerDevIrq(int type, int subtype, int count) {
        return deviceIrqs.add(type, subtype, count);
    }

    /**
     * Lets {@code handler} see every access of users to a range of a region first: a BAR, the ROM, configuration space or a region
     * that was added. An access that straddles the range's edge is cut there. The pages of which the range has a byte cannot be
     * mapped, nor are eventfds offered for what is trapped; a user who has them mapped already has to be told, as by a {@link VfioPciDevIrq}, to ask for the region's info and
     * to map anew. Any thread sets and closes traps, while the device is open too, and accesses that begin afterwards see it; it
     * stays until it is closed, whoever opens the device.
     *
     * @param offset counted from the region's first byte
     * @throws ErrnoException EINVAL for a region that is not there and a range that is empty or leaves it, EEXIST for a range that
     *     is trapped already
     */
    public VfioPciTrap trap(int region, long offset, long sizeBytes, VfioPciTrapHandler handler) {
        return traps.add(region, regions.sizeBytes(region), offset, sizeBytes, handler);
    }

    /**
     * Adds a feature, before the device is opened.
     *
     * @param index {@code VFIO_DEVICE_FEATURE_*}
     * @throws ErrnoException EEXIST when the device has it
     */
    public void addFeature(int index, VfioDeviceFeature feature) {
        features.add(index, feature);
    }

    /** Adds to what the device says of itself ({@code VFIO_DEVICE_INFO_CAP_*}), before it is opened. */
    public void addDeviceCapability(VfioInfoCapability capability) {
        capabilities.add(capability);
    }

    /** Makes the device migratable, before it is registered. */
    public void setMigration(VfioMigrationOps ops) {
        migration = Optional.of(ops);
    }

    /** Logs what the device writes by these, instead of by the windows of its memory; before it is registered. */
    public void setLogging(VfioLoggingOps ops) {
        ownLogging = Optional.of(ops);
    }

    /**
     * Has a driver hear of each reset of its function, after it and before the user goes on: one that the user asks for, by
     * {@code VFIO_DEVICE_RESET} or in the function's registers, and that of an open. Set before the device is registered.
     */
    public void onReset(Runnable action) {
        afterReset = action;
    }

    /** The options of the device, as they were when it was probed. */
    public VfioPciOptions options() {
        return use.options();
    }

    /** Whether it was made for this device. */
    boolean isFor(PciDevice other) {
        return device == other;
    }

    DeviceUse use() {
        return use;
    }

    private void addFacts(String what, PciFacts facts) {
        SynthesizedCapabilities synthesized = new SynthesizedCapabilities(what, facts);
        ConfigSpace scratch = new ConfigSpace(function);
        synthesized.install(scratch, CapabilityList.walk(function, scratch));
        additions.add(synthesized);
        brokenIntxMasking = facts.brokenIntxMasking();
        int flags = DeviceFacts.flags(facts);
        if (flags != 0) {
            addDeviceCapability(DeviceFacts.capability(flags));
        }
    }

    /**
     * Makes a dword of configuration space the user's own, from the next open on: it begins as the function has it, the user's
     * writes are kept in it, and the function sees none of them.
     *
     * @param offset a multiple of 4, inside the space and outside of capabilities
     * @throws ErrnoException EINVAL for another offset
     */
    public void virtualizeConfig(int offset) {
        if (offset < PCI_STD_HEADER_SIZEOF || offset % Integer.BYTES != 0 || offset >= function.configSize()) {
            throw new ErrnoException(
                    EINVAL,
                    name + ": virtual register at " + offset + ", a multiple of 4 from " + PCI_STD_HEADER_SIZEOF
                            + " on within " + function.configSize() + " bytes is needed");
        }
        additions.add(new VirtualDword(offset));
    }

    /** The driver lets go of the device, which is closed: gives up the regions that were registered for as long as that. */
    public void release() {
        regions.release();
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public void openDevice() {
        use.begin();
        boolean opened = false;
        try {
            boolean mayMaskIntx = !brokenIntxMasking && !use.options().nointxmask();
            session = new PciSession(function, additions, afterReset, use.power(), mayMaskIntx);
            afterReset.run();
            regions.open();
            deviceIrqs.open();
            opened = true;
        } finally {
            if (!opened) {
                use.end();
            }
        }
    }

    @Override
    public void closeDevice() {
        PciSession closing = open();
        session = null;
        try {
            closing.close();
        } finally {
            deviceIrqs.close();
            regions.close();
            use.end();
        }
    }

    @Override
    public VfioDeviceInfo info() {
        return new VfioDeviceInfo(
                VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET, regions.count(), deviceIrqs.count(), capabilities);
    }

    @Override
    public VfioRegionInfo regionInfo(int index) {
        return regions.info(open(), index);
    }

    @Override
    public Optional<VfioRegionMemory> regionMemory(int index) {
        return regions.memory(open(), index);
    }

    /** {@inheritDoc} Trapped registers are none of them. */
    @Override
    public List<VfioIoEventFd> ioEventFds(int index) {
        PciSession opened = open();
        return index > VFIO_PCI_BAR5_REGION_INDEX
                ? List.of()
                : opened.notifyFds().of(index).stream()
                        .filter(register -> !traps.covers(index, register.offset()))
                        .toList();
    }

    @Override
    public VfioIrqInfo irqInfo(int index) {
        return index < VFIO_PCI_NUM_IRQS
                ? open().interrupts().info(index)
                : deviceIrqs.get(index).info();
    }

    @Override
    public void setIrqs(VfioIrqSet set) {
        PciSession opened = open();
        if (set.index() >= VFIO_PCI_NUM_IRQS) {
            deviceIrqs.get(set.index()).triggers().set(set);
        } else if (opened.lowPower().isEngaged()) {
            opened.lowPower().whileAwake(() -> opened.interrupts().set(set));
        } else {
            opened.interrupts().set(set);
        }
    }

    @Override
    public void read(int region, long offset, MemorySegment buffer, long at, int count) {
        access.read(open(), region, offset, buffer, at, count);
    }

    @Override
    public void write(int region, long offset, MemorySegment buffer, long at, int count) {
        access.write(open(), region, offset, buffer, at, count);
    }

    @Override
    public Optional<VfioDeviceFeature> feature(int index) {
        return features.find(open(), index);
    }

    /**
     * {@inheritDoc} Where the driver has not said otherwise, for a function that writes memory through the windows of its DMA space,
     * as emulated functions do. Nobody else knows what hardware has written.
     */
    @Override
    public Optional<VfioLoggingOps> logging() {
        return ownLogging.isPresent() || !function.writesThroughWindows() ? ownLogging : Optional.of(logging);
    }

    @Override
    public Optional<VfioMigrationOps> migration() {
        return migration;
    }

    @Override
    public void reset() {
        PciSession opened = open();
        opened.lowPower().whileAwake(opened::reset);
    }

    /**
     * How often the function has been reset since the device was opened: by {@link #reset}, or by its user through configuration
     * space. What {@link VfioMigrationOps#resets} of a driver tells.
     */
    public long resets() {
        return open().resets();
    }

    @Override
    public void attachIoas(IoAddressSpace space) {
        PciSession opened = open();
        logging.attach(space);
        function.attachDma(opened.dmaSpace(space));
        opened.interrupts().setSpace(space);
    }

    @Override
    public void detachIoas() {
        PciSession opened = open();
        opened.notifyFds().close();
        try {
            function.detachDma();
        } finally {
            logging.detach();
            opened.interrupts().setSpace(null);
        }
    }

    @Override
    public void userLeft() {
        PciSession opened = open();
        opened.lowPower().exit();
        if (!function.writesThroughWindows()) {
            leaveHardware(opened);
        }
    }

    // It has the rings and addresses of the user that is gone, and would use them in the memory of the next as soon as
    // that
    // makes it bus master; and perhaps that one's memory, if it could not be taken away.
    private void leaveHardware(PciSession opened) {
        try {
            function.detachDma();
        } finally {
            opened.reset();
        }
    }

    @Override
    public void request(int count) {
        PciSession opened = session;
        if (opened == null || opened.interrupts().request()) {
            return;
        }
        if (count == 0) {
            LOG.log(
                    Level.WARNING,
                    "{0}: the user of {1}, which is wanted back, takes no requests; waiting for it",
                    name,
                    device == null ? "a device" : device);
        }
    }

    private PciSession open() {
        PciSession opened = session;
        if (opened == null) {
            throw new ErrnoException(ENODEV, name + ": the device is not open");
        }
        return opened;
    }
}
