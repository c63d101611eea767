package org.vfio4j.mlx5vfiopci;

import static org.assertj.core.api.Assertions.assertThat;

import org.vfio4j.block.BlockBackend;
import org.vfio4j.userspace.disk.DiskDriver;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.virtioblk.VirtioBlkDriver;
import org.vfio4j.userspace.virtioblk.VirtioBlkOptions;
import org.vfio4j.vfio.VfioDeviceFile;

/** What a DPU emulates for a host, and how a guest drives it: with one queue, without interrupts. */
enum DiskKind {
    VIRTIO_BLK {
        @Override
        void addTo(Host host, BlockBackend storage) {
            host.addDisk(storage);
        }

        @Override
        DiskDriver open(VfioDeviceFile file) {
            return VirtioBlkDriver.open(
                    file,
                    VirtioBlkOptions.DEFAULTS.withQueues(1).withQueueSize(64).withInterrupts(false));
        }

        @Override
        long writes(Host host) {
            return host.disks().getFirst().counters().writes();
        }

        @Override
        long faults(Host host) {
            return host.disks().getFirst().counters().faults();
        }
    },

    /** An NVMe namespace, whose doorbells are registers. */
    NVME {
        @Override
        DiskDriver open(VfioDeviceFile file) {
            return nvme(file, NvmeOptions.Doorbells.WRITTEN);
        }
    },

    /** One whose doorbells are in the guest's memory. */
    NVME_SHADOW {
        @Override
        DiskDriver open(VfioDeviceFile file) {
            return nvme(file, NvmeOptions.Doorbells.SHADOW);
        }
    };

    /** Gives a host's DPU such a disk at 08:00.0. */
    void addTo(Host host, BlockBackend storage) {
        host.addNvme(storage);
    }

    abstract DiskDriver open(VfioDeviceFile file);

    /** How many writes a host's first disk of the kind has done. */
    long writes(Host host) {
        return host.controllers().getFirst().counters().writes();
    }

    long faults(Host host) {
        return host.controllers().getFirst().counters().faults();
    }

    private static DiskDriver nvme(VfioDeviceFile file, NvmeOptions.Doorbells doorbells) {
        NvmeDriver driver = NvmeDriver.open(
                file,
                NvmeOptions.DEFAULTS
                        .withQueues(1)
                        .withQueueSize(64)
                        .withInterrupts(false)
                        .withDoorbells(doorbells));
        assertThat(driver.doorbells()).isEqualTo(doorbells);
        return driver;
    }
}
