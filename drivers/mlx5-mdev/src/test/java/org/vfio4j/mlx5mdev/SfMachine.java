package org.vfio4j.mlx5mdev;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.UUID;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bluefield.SfOptions;
import org.vfio4j.bluefield.SfStorage;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.mlx5.SfCaps;
import org.vfio4j.mlx5core.Mlx5CoreDriver;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;

/** A machine with a DPU at 07:00.0 whose network functions can have scalable ones. */
final class SfMachine implements AutoCloseable {

    static final String PARENT = "0000:07:00.0";

    final PciBus bus = new PciBus();
    final VfioRegistry registry = new VfioRegistry();
    final MdevBus mdevs = new MdevBus();
    final Bluefield dpu;
    private final Deque<AutoCloseable> opened = new ArrayDeque<>();

    SfMachine(SfCaps caps) {
        this(caps, SfStorage.MEMORY);
    }

    SfMachine(SfCaps caps, SfStorage storage) {
        bus.provide(VfioRegistry.class, registry);
        bus.provide(MdevBus.class, mdevs);
        bus.auxiliary().register(new Mlx5MdevDriver());
        bus.register(new Mlx5CoreDriver());
        dpu = new Bluefield(bus, PciAddress.parse("07:00.0"), new SfOptions(caps, storage));
        opened.push(dpu);
    }

    PciDevice networkFunction() {
        return dpu.networkFunctions().getFirst();
    }

    MdevParent parent() {
        return mdevs.parent(PARENT);
    }

    /** @param type without the driver's name */
    MdevDevice create(String type, UUID uuid) {
        return mdevs.create(parent(), parent().type("mlx5_core-" + type), uuid);
    }

    int available(String type) {
        return parent().availableInstances(parent().type("mlx5_core-" + type));
    }

    LocalDeviceFile open(MdevDevice device) {
        return registry.open(device.uuid().toString());
    }

    /** Serves it as long as the machine is there. */
    Path serve(MdevDevice device, Path socket) {
        EventLoop loop = new EventLoop();
        opened.push(loop);
        opened.push(VfioUserServer.listen(loop, socket, open(device), VfioUserServerOptions.DEFAULTS));
        return socket;
    }

    @Override
    public void close() {
        try {
            while (!opened.isEmpty()) {
                opened.pop().close();
            }
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }
}
