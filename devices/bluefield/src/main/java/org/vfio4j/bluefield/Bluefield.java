package org.vfio4j.bluefield;

import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.ENOENT;

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.mlx5.SnapListener;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.virtioblk.VirtioBlk;

/**
 * A BlueField DPU in a machine: two network functions, and virtio-blk functions that it emulates for the machine, each behind one
 * of the two. What the DPU's own processors do to make and end such functions, {@link #createVirtioBlk} and {@link #delete} do
 * here, while the machine runs. Any thread may call.
 */
public final class Bluefield implements AutoCloseable {

    /** The most network functions of one. */
    public static final int NETWORK_FUNCTIONS = 2;

    /** An emulated function with what it is made of. */
    private record Emulated(Vhca vhca, PfFirmware firmware, PciDevice device, SnapBackend backend) {}

    private final PciBus bus;
    private final List<PfFirmware> firmwares = new ArrayList<>();
    private final List<PciDevice> networkFunctions = new ArrayList<>();

    // The first are the network functions' own.
    private final VhcaIds ids = new VhcaIds(NETWORK_FUNCTIONS);

    // Under this object's lock.
    private final Map<SnapFunction, Emulated> emulated = new HashMap<>();

    /**
     * One whose network functions its maker plugs in, see {@link #networkFunction}, and unplugs after it is closed.
     *
     * @param bus where the functions go that it emulates
     * @param count of network functions, 1 to {@value #NETWORK_FUNCTIONS}
     * @param sf what each of them has for scalable functions
     */
    public Bluefield(PciBus bus, int count, SfOptions sf) {
        this.bus = bus;
        for (int i = 0; i < count; i++) {
            firmwares.add(new PfFirmware(ids, sf));
        }
    }

    /** Plugs it in, with two network functions, without scalable ones; otherwise as {@link #Bluefield(PciBus, PciAddress, SfOptions)}. */
    public Bluefield(PciBus bus, PciAddress at) {
        this(bus, at, SfOptions.NONE);
    }

    /**
     * Plugs it in, with two network functions.
     *
     * @param at where its first network function is; the other is the next function there
     * @param sf what each of them has for scalable functions
     * @throws ErrnoException as {@link PciBus#add} does
     */
    public Bluefield(PciBus bus, PciAddress at, SfOptions sf) {
        this(bus, NETWORK_FUNCTIONS, sf);
        for (int i = 0; i < NETWORK_FUNCTIONS; i++) {
            networkFunctions.add(
                    bus.add(new PciAddress(at.domain(), at.bus(), at.device(), at.function() + i), networkFunction(i)));
        }
    }

    /**
     * One of its network functions, to be plugged in once.
     *
     * @param number from 0
     */
    public PciFunction networkFunction(int number) {
        return NetworkFunction.create(firmwares.get(number));
    }

    /** The network functions that it has plugged in. */
    public List<PciDevice> networkFunctions() {
        return List.copyOf(networkFunctions);
    }

    /** The functions that it emulates now. */
    public synchronized List<SnapFunction> functions() {
        return List.copyOf(emulated.keySet());
    }

    /**
     * Makes a disk appear in the machine.
     *
     * @param networkFunction behind which of the network functions, from 0
     * @param at where it sits
     * @param disk becomes the DPU's, which closes it; its storage stays the caller's
     * @throws ErrnoException as {@link PciBus#add} does; the disk is closed then
     */
    public SnapFunction createVirtioBlk(int networkFunction, PciAddress at, VirtioBlk disk) {
        SnapBackend backend = new SnapBackend() {
            @Override
            public void resize(long sizeBytes) {
                disk.resize(sizeBytes);
            }

            @Override
            public void close() {
                disk.close();
            }
        };
        return create(networkFunction, at, SnapFunction.Protocol.VIRTIO_BLK, disk.function(), backend);
    }

    /**
     * Makes a function appear in the machine that the DPU emulates, of any kind that has a {@link FunctionState}.
     *
     * @param networkFunction behind which of the network functions, from 0
     * @param at where it sits
     * @param function what the DPU emulates; from now on the DPU's
     * @param backend what it stands on; the DPU's too, and closed by it even when this fails
     * @throws ErrnoException ENODEV for one without a state, and as {@link PciBus#add} does
     */
    public SnapFunction create(
            int networkFunction,
            PciAddress at,
            SnapFunction.Protocol protocol,
            PciFunction function,
            SnapBackend backend) {
        PfFirmware firmware = firmwares.get(networkFunction);
        SnapFunction snap = new SnapFunction(ids.take(), at.domain(), at.routingId(), protocol);
        Vhca vhca;
        PciDevice device;
        try {
            vhca = new Vhca(snap.vhcaId(), state(snap, function));
            device = bus.add(
                    at, new SnapPciFunction(function, vhca, (i, virtual) -> addVirtual(firmware, snap, i, virtual)));
        } catch (ErrnoException e) {
            ids.giveBack(snap.vhcaId());
            backend.close();
            throw e;
        }
        synchronized (this) {
            emulated.put(snap, new Emulated(vhca, firmware, device, backend));
        }
        firmware.add(snap, vhca).forEach(listener -> listener.added(snap));
        return snap;
    }

    /**
     * Makes the disk of an emulated function larger.
     *
     * @throws ErrnoException ENOENT when the function is gone; EBUSY while it is being migrated, because its size is part of what the
     *     destination checks; and as {@link SnapBackend#resize} does
     */
    public void resize(SnapFunction snap, long sizeBytes) {
        change(snap, backend -> backend.resize(sizeBytes));
    }

    /**
     * The same for one namespace of an emulated NVMe controller.
     *
     * @throws ErrnoException as {@link #resize} and {@link SnapBackend#resizeNamespace} do
     */
    public void resizeNamespace(SnapFunction snap, int nsid, long sizeBytes) {
        change(snap, backend -> backend.resizeNamespace(nsid, sizeBytes));
    }

    private void change(SnapFunction snap, Consumer<SnapBackend> change) {
        Emulated found;
        synchronized (this) {
            found = emulated.get(snap);
        }
        if (found == null) {
            throw new ErrnoException(ENOENT, "resize " + snap);
        }
        found.vhca.change(() -> change.accept(found.backend));
    }

    /**
     * Makes an emulated function disappear, when the machine's drivers and their user have let go of it.
     *
     * @param limit how long to wait for that
     * @throws ErrnoException EBUSY when they have not by then: it stays. ENOENT when it is gone, or somebody else makes it go
     */
    public void delete(SnapFunction snap, Duration limit) {
        Emulated ending;
        synchronized (this) {
            ending = emulated.remove(snap);
        }
        if (ending == null) {
            throw new ErrnoException(ENOENT, "delete " + snap);
        }
        boolean gone = false;
        List<SnapListener> told = new ArrayList<>();
        try {
            for (SnapListener listener : ending.firmware.listeners()) {
                listener.removing(snap, limit);
                told.add(listener);
            }
            bus.remove(ending.device, limit);
            gone = true;
        } finally {
            if (!gone) {
                synchronized (this) {
                    emulated.put(snap, ending);
                }
                told.forEach(listener -> listener.added(snap));
            }
        }
        ending.firmware.remove(ending.vhca);
        ending.backend.close();
    }

    /** What the scalable function of a name is made of; empty when none of its network functions has one. */
    public Optional<ScalableParts> scalable(String name) {
        return firmwares.stream()
                .flatMap(firmware -> firmware.scalable(name).stream())
                .findFirst();
    }

    /** Unplugs it, with all that it emulates; waits for users as long as it takes. */
    @Override
    public void close() {
        for (SnapFunction snap : functions()) {
            delete(snap, PciBus.FOREVER);
        }
        networkFunctions.reversed().forEach(bus::remove);
        networkFunctions.clear();
        firmwares.forEach(PfFirmware::close);
    }

    private Vhca addVirtual(PfFirmware firmware, SnapFunction physical, int index, PciFunction virtual) {
        Vhca vhca = new Vhca(ids.take(), state(physical, virtual));
        firmware.addVirtual(physical.vhcaId(), index, vhca);
        return vhca;
    }

    private static FunctionState state(SnapFunction snap, PciFunction function) {
        return function.platform(FunctionState.class)
                .orElseThrow(
                        () -> new ErrnoException(ENODEV, "emulate " + snap + ": the function has no state to save"));
    }
}
