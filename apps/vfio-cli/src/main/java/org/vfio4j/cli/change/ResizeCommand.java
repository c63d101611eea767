package org.vfio4j.cli.change;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Makes a disk of a serving process larger. */
@Command(
        name = "resize",
        description = "Makes a disk of a serving process larger while it is used, and tells the guest.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio resize 0000:00:01.0 2G", "  vfio resize 0000:00:02.0 2G --namespace 2"})
public final class ResizeCommand implements Runnable {

    @Mixin
    private NewSize size = new NewSize();

    @Override
    public void run() {
        size.giveTo(size.choice().one("vfio resize"));
    }
}
