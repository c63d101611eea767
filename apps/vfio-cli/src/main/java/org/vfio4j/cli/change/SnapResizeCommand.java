package org.vfio4j.cli.change;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Makes the disk of a function larger that a DPU emulates. */
@Command(
        name = "resize",
        description = "Makes the disk of a function larger that a DPU emulates, and tells the guest.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  vfio snap resize 0000:08:00.0 128M",
            "  vfio snap resize 0000:08:00.1 128M --namespace 2"
        })
final class SnapResizeCommand implements Runnable {

    @Mixin
    private NewSize size = new NewSize();

    @Override
    public void run() {
        size.giveTo(SnapChoice.one(size.choice(), "vfio snap resize"));
    }
}
