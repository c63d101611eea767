package org.vfio4j.it;

import java.time.Duration;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioDeviceFile;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.virtioblk.VirtioBlk;

/** A virtio-blk function under vfio-pci-core, and files of it with memory attached. */
final class LocalDisk implements AutoCloseable {

    private final VfioRegistry registry = new VfioRegistry();
    private final BlockBackend storage;
    private final VirtioBlk disk;
    private final VfioDevice device;

    LocalDisk() {
        this(new MemoryBackend(1 << 20));
    }

    /** @param storage closed with this */
    LocalDisk(BlockBackend storage) {
        this.storage = storage;
        disk = VirtioBlk.builder(storage).build();
        device = registry.register(new VfioPciCore("vfio-pci", disk.function()), () -> () -> {}, "0000:08:00.0");
    }

    /** The device, open and without memory. */
    LocalDeviceFile openFile() {
        return device.open();
    }

    VfioDeviceFile open() {
        return open(device);
    }

    /** A device with an address space of its own, which goes when the file is closed. */
    static VfioDeviceFile open(VfioDevice device) {
        LocalDeviceFile file = device.open();
        IoAddressSpace space = new IoAddressSpace(1024);
        file.attach(space);
        return BrokenDevice.of(file, call -> {
            Object result = call.proceed();
            if (call.is("close")) {
                space.close();
            }
            return result;
        });
    }

    @Override
    public void close() {
        registry.unregister(device, Duration.ofSeconds(10));
        disk.close();
        storage.close();
    }
}
