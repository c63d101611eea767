package org.vfio4j.cli.device;

import java.nio.file.Path;
import java.util.List;

/** Virtio disks as tests want them. */
public final class Disks {

    private Disks() {}

    public static DevicePlan memory(long sizeBytes, int queues, String serial) {
        return new VirtioBlkKind()
                .plan(List.of(
                        new Setting("memory", Long.toString(sizeBytes)),
                        new Setting("queues", Integer.toString(queues)),
                        new Setting("serial", serial)));
    }

    public static DevicePlan file(Path path, String serial) {
        return new VirtioBlkKind().plan(List.of(new Setting("file", path.toString()), new Setting("serial", serial)));
    }
}
