package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOMEM;
import static org.vfio4j.uapi.PciRegs.PCI_SRIOV_CTRL;
import static org.vfio4j.uapi.PciRegs.PCI_SRIOV_CTRL_MSE;
import static org.vfio4j.uapi.PciRegs.PCI_SRIOV_CTRL_VFE;
import static org.vfio4j.uapi.PciRegs.PCI_SRIOV_NUM_VF;
import static org.vfio4j.uapi.PciRegs.PCI_SRIOV_SYS_PGSIZE;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;

import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;

/**
 * The virtual functions of a physical one: {@code struct pci_sriov}. Where they are and what they are like the function's SR-IOV
 * capability says (PCI Express Base 6.0, 9.3.3); how many there are the bus does. Any thread reads; what is written to the
 * capability is written under this object's lock, because a reset by the function's user comes in between.
 */
public final class PciSriov {

    private static final int LAST_ROUTING_ID = 0xffff;

    private final PciAddress physical;
    private final PciFunction function;
    private final SriovRegisters registers;
    private final int vendorId;

    // Both are set under the lock: where the VF BARs decode once they have had addresses, and how many VFs are on.
    private List<PciDevice.Resource> apertures = List.of();
    private int enabled;

    private volatile List<PciDevice> virtualFunctions = List.of();

    private PciSriov(PciAddress physical, PciFunction function, SriovRegisters registers) {
        this.physical = physical;
        this.function = function;
        this.registers = registers;
        this.vendorId = function.configRead(PCI_VENDOR_ID, 2);
    }

    /**
     * The capability of a function, its VFs turned off. Empty when there is none, or when it makes no sense, as for the kernel:
     * the function is used without.
     */
    static Optional<PciSriov> find(PciAddress physical, PciFunction function) {
        try {
            return SriovRegisters.find(function).map(registers -> new PciSriov(physical, function, registers));
        } catch (ErrnoException e) {
            System.getLogger(PciSriov.class.getName())
                    .log(Level.WARNING, "{0}: used without SR-IOV: {1}", physical, e.getMessage());
            return Optional.empty();
        }
    }

    /** How many virtual functions there can be: {@code sriov_totalvfs}. */
    public int totalVfs() {
        return registers.totalVfs();
    }

    /** How many there are: {@code sriov_numvfs}. */
    public int numVfs() {
        return virtualFunctions.size();
    }

    /** Those that there are, by their index. One that was removed from the bus by itself is still among them. */
    public List<PciDevice> virtualFunctions() {
        return virtualFunctions;
    }

    /** Distance of the first from the physical function, in routing ids: {@code sriov_offset}. */
    public int offset() {
        return registers.offset();
    }

    /** Distance of one from the next: {@code sriov_stride}. */
    public int stride() {
        return registers.stride();
    }

    /** Device id of each: {@code sriov_vf_device}. */
    public int vfDeviceId() {
        return registers.vfDeviceId();
    }

    /** Vendor id of each, which is the physical function's. */
    int vendorId() {
        return vendorId;
    }

    /**
     * Where virtual function {@code index} is.
     *
     * @throws ErrnoException ENOMEM when that is behind the last bus
     */
    PciAddress address(int index) {
        int id = (physical.bus() << 8 | physical.device() << 3 | physical.function())
                + registers.offset()
                + registers.stride() * index;
        if (id > LAST_ROUTING_ID) {
            throw new ErrnoException(
                    ENOMEM, "virtual function " + index + " of " + physical + ": there is no bus " + (id >>> 8));
        }
        return new PciAddress(physical.domain(), id >>> 8, id >>> 3 & 0x1f, id & 7);
    }

    /** What the BARs of virtual function {@code index} decode. */
    synchronized List<PciDevice.Resource> resources(int index) {
        List<PciDevice.Resource> resources = new ArrayList<>();
        for (PciDevice.Resource aperture : apertures) {
            PciBar bar = aperture.bar();
            resources.add(new PciDevice.Resource(bar, aperture.start() + bar.sizeBytes() * index));
        }
        return resources;
    }

    /**
     * Turns {@code count} on in the function, which must have them then.
     *
     * @param bars gives addresses to the VF BARs when they have none yet
     * @throws ErrnoException ENOMEM when there are no addresses left, EIO when the function does not have what it says
     */
    synchronized List<PciFunction> enable(int count, BarAllocator bars) {
        if (apertures.isEmpty()) {
            apertures = place(bars);
        }
        enabled = count;
        restore();
        List<PciFunction> found = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            Optional<PciFunction> virtual = function.virtualFunction(i);
            if (virtual.isEmpty()) {
                disable();
                throw new ErrnoException(EIO, physical + " has no virtual function " + i + " of " + count);
            }
            found.add(virtual.get());
        }
        return found;
    }

    /** Turns all off in the function. */
    synchronized void disable() {
        enabled = 0;
        function.configWrite(registers.at(PCI_SRIOV_CTRL), 2, registers.control());
        function.configWrite(registers.at(PCI_SRIOV_NUM_VF), 2, 0);
    }

    /** What the bus has made of them. */
    void setVirtualFunctions(List<PciDevice> made) {
        virtualFunctions = List.copyOf(made);
    }

    /** Runs a reset of the function and turns on again what it has turned off: pci_restore_iov_state. */
    synchronized void around(Runnable reset) {
        reset.run();
        restore();
    }

    private void restore() {
        function.configWrite(registers.at(PCI_SRIOV_SYS_PGSIZE), 4, registers.pageSize());
        for (PciDevice.Resource aperture : apertures) {
            int register = registers.bar(aperture.bar().index());
            function.configWrite(register, Integer.BYTES, (int) aperture.start());
            if (aperture.bar().kind() == PciBar.Kind.MEM64) {
                function.configWrite(register + Integer.BYTES, Integer.BYTES, (int) (aperture.start() >>> 32));
            }
        }
        if (enabled != 0) {
            function.configWrite(registers.at(PCI_SRIOV_NUM_VF), 2, enabled);
            int on = registers.control() | PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE;
            function.configWrite(registers.at(PCI_SRIOV_CTRL), 2, on);
        }
    }

    private List<PciDevice.Resource> place(BarAllocator bars) {
        try {
            return bars.placeApertures(physical, registers.bars(), registers.totalVfs());
        } catch (ErrnoException e) {
            throw new ErrnoException(ENOMEM, "VF BARs of " + physical + " (" + e.getMessage() + ")");
        }
    }
}
