package org.vfio4j.mtty;

import java.util.LinkedHashMap;
import java.util.Map;
import org.vfio4j.mdevcore.MdevAttribute;
import org.vfio4j.serialcard.LoopbackPlug;
import org.vfio4j.serialcard.SerialCard;
import org.vfio4j.serialcard.SerialSockets;
import org.vfio4j.vfio.VfioDeviceOps;
import org.vfio4j.vfiomdev.VfioMdevInstance;
import org.vfio4j.vfiopcicore.VfioPciCore;

/**
 * A serial card as an mdev: on no PCI bus, and driven by vfio-pci-core all the same. Its ports begin with a loopback plug, as the
 * sample's do, and an attribute of each says what is plugged in.
 */
final class MttyInstance implements VfioMdevInstance {

    /** The name that the sample's operations give themselves. */
    private static final String OPS_NAME = "vfio-mtty";

    private final SerialCard card;
    private final VfioPciCore core;
    private final Runnable giveBack;
    private final Map<String, MdevAttribute> attributes = new LinkedHashMap<>();

    /** @param giveBack run when its ports are free again */
    MttyInstance(int ports, SerialSockets sockets, Runnable giveBack) {
        this.giveBack = giveBack;
        card = new SerialCard(ports);
        core = new VfioPciCore(OPS_NAME, card.function());
        MttyMigration migration = new MttyMigration(core, card.state());
        core.setMigration(migration);
        core.onReset(migration::reset);
        for (int port = 0; port < ports; port++) {
            card.plug(port, new LoopbackPlug());
            attributes.put("port" + port + "/peer", new PeerAttribute(card, port, sockets));
            attributes.put("port" + port + "/baud", new BaudAttribute(card, port));
        }
    }

    @Override
    public VfioDeviceOps ops() {
        return core;
    }

    @Override
    public Map<String, MdevAttribute> attributes() {
        return attributes;
    }

    @Override
    public void close() {
        core.release();
        card.close();
        giveBack.run();
    }

    /** Bits per second, as the guest's driver has set them. */
    private record BaudAttribute(SerialCard card, int port) implements MdevAttribute {
        @Override
        public String show() {
            return Integer.toString(card.baud(port));
        }
    }
}
