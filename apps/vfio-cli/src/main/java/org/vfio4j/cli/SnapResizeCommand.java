package org.vfio4j.cli;

import java.util.List;
import org.vfio4j.sys.Errno;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Makes the disk of a function larger that a DPU emulates. */
@Command(
        name = "resize",
        description = "Makes the disk of a function larger that a DPU emulates, and tells the guest.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio snap resize 0000:08:00.0 128M"})
final class SnapResizeCommand implements Runnable {

    @Mixin
    private FunctionChoice choice = new FunctionChoice();

    @Parameters(
            index = "1",
            paramLabel = "SIZE",
            description = "Bytes, or with K, M, G or T behind; a multiple of 512, no less than now.")
    private String size = "";

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        long sizeBytes = Sizes.parse("SIZE", size);
        ServerQuery.Found found = SnapChoice.one(choice, "vfio snap resize");
        String address = found.function().address();
        ServerQuery.Found resized = ControlClient.ask(
                found,
                TuneRequest.resize(address, TuneRequest.NO_NAMESPACE, sizeBytes),
                output.err(),
                errno -> errno == Errno.EBUSY ? "the same again, once it has been migrated" : "vfio show " + address);
        output.print(
                "Function",
                List.of(resized),
                () -> output.out().println(address + ": " + resized.function().description()));
    }
}
