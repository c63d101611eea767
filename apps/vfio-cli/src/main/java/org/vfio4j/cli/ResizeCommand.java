package org.vfio4j.cli;

import java.util.List;
import org.vfio4j.sys.Errno;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes a disk of a serving process larger. */
@Command(
        name = "resize",
        description = "Makes a disk of a serving process larger while it is used, and tells the guest.",
        mixinStandardHelpOptions = true,
        footer = {"", "Examples:", "  vfio resize 0000:00:01.0 2G", "  vfio resize 0000:00:02.0 2G --namespace 2"})
final class ResizeCommand implements Runnable {

    @Mixin
    private FunctionChoice choice = new FunctionChoice();

    @Parameters(
            index = "1",
            paramLabel = "SIZE",
            description = "Bytes, or with K, M, G or T behind; a multiple of 512, no less than now.")
    private String size = "";

    @Option(
            names = "--namespace",
            paramLabel = "NSID",
            description = "Which namespace of an NVMe controller, if it has more than one: 1 is the first.")
    private int namespace = TuneRequest.NO_NAMESPACE;

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        long sizeBytes = Sizes.parse("SIZE", size);
        if (namespace < TuneRequest.NO_NAMESPACE) {
            throw CliException.usage("--namespace " + namespace + ": namespaces count from 1", "--namespace 1");
        }
        ServerQuery.Found found = choice.one("vfio resize");
        String address = found.function().address();
        ServerQuery.Found resized = ControlClient.ask(
                found, TuneRequest.resize(address, namespace, sizeBytes), output.err(), errno -> hint(errno, address));
        output.print(
                "Function",
                List.of(resized),
                () -> output.out().println(address + ": " + resized.function().description()));
    }

    private static String hint(int errno, String address) {
        return switch (errno) {
            case Errno.ENOSPC, Errno.EFBIG -> "df -h";
            case Errno.EROFS -> "truncate -s SIZE on the file, and then the same again";
            default -> "vfio show " + address;
        };
    }
}
