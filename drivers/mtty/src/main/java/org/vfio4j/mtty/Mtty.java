package org.vfio4j.mtty;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevDriver;
import org.vfio4j.mdevcore.MdevInstance;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.mdevcore.MdevParentOps;
import org.vfio4j.mdevcore.MdevPool;
import org.vfio4j.mdevcore.MdevType;
import org.vfio4j.serialcard.SerialCard;
import org.vfio4j.serialcard.SerialSockets;

/**
 * A parent of serial cards that is no device itself: what the kernel's sample samples/vfio-mdev/mtty.c is. It has {@link #PORTS}
 * ports, of which a card of type {@code mtty-1} takes one and one of {@code mtty-2} two. Safe for all threads.
 */
public final class Mtty implements MdevParentOps, AutoCloseable {

    /** Its driver's name, and its own. */
    public static final String NAME = "mtty";

    /** Its directory below /sys. */
    public static final String PATH = "/devices/virtual/mtty/mtty";

    /** How many ports its devices share. */
    public static final int PORTS = 24;

    private static final String DEVICE_API = "vfio-pci";
    private static final List<String> PRETTY_NAMES = List.of("Single port serial", "Dual port serial");

    private final MdevPool pool = new MdevPool("ports", PORTS);
    private final SerialSockets sockets = new SerialSockets();
    private final List<MdevType> types = makeTypes();

    /**
     * Registers itself under its name.
     *
     * @param driver gets its devices: one that makes VFIO devices of them, as {@code vfio-mdev}
     * @throws org.vfio4j.sys.ErrnoException EEXIST when there is an mtty already
     */
    public MdevParent register(MdevBus bus, MdevDriver driver) {
        return bus.register(NAME, PATH, this, driver);
    }

    @Override
    public String driverName() {
        return NAME;
    }

    @Override
    public List<MdevType> types() {
        return types;
    }

    @Override
    public int availableInstances(MdevType type) {
        return pool.available(ports(type));
    }

    @Override
    public MdevInstance create(MdevType type, UUID uuid) {
        int ports = ports(type);
        pool.take(ports);
        return new MttyInstance(ports, sockets, () -> pool.giveBack(ports));
    }

    /** Ends what its devices' ports were attached through. It is no parent any more. */
    @Override
    public void close() {
        sockets.close();
    }

    private int ports(MdevType type) {
        return types.indexOf(type) + 1;
    }

    private static List<MdevType> makeTypes() {
        List<MdevType> made = new ArrayList<>();
        for (int ports = 1; ports <= SerialCard.MAX_PORTS; ports++) {
            made.add(new MdevType(NAME + "-" + ports, DEVICE_API, PRETTY_NAMES.get(ports - 1), Optional.empty()));
        }
        return List.copyOf(made);
    }
}
