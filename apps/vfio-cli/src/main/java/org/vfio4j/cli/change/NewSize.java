package org.vfio4j.cli.change;

import java.util.List;
import org.vfio4j.cli.control.ControlClient;
import org.vfio4j.cli.control.TuneRequest;
import org.vfio4j.cli.state.FunctionChoice;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.Sizes;
import org.vfio4j.sys.Errno;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which disk is to have which size: what all commands that resize have in common. */
final class NewSize {

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

    /**
     * Which function.
     *
     * @throws CliException when the size is none, before anybody is asked
     */
    FunctionChoice choice() {
        sizeBytes();
        if (namespace < TuneRequest.NO_NAMESPACE) {
            throw CliException.usage("--namespace " + namespace + ": namespaces count from 1", "--namespace 1");
        }
        return choice;
    }

    /** Has the disk of a function made so large, and says how it is then. */
    void giveTo(ServerQuery.Found found) {
        String address = found.function().address();
        ServerQuery.Found resized = ControlClient.ask(
                found,
                TuneRequest.resize(address, namespace, sizeBytes()),
                output.err(),
                errno -> hint(errno, address));
        output.print(
                "Function",
                List.of(resized),
                () -> output.out().println(address + ": " + resized.function().description()));
    }

    private long sizeBytes() {
        return Sizes.parse("SIZE", size, "a size as 2G");
    }

    private static String hint(int errno, String address) {
        return switch (errno) {
            case Errno.ENOSPC, Errno.EFBIG -> "df -h";
            case Errno.EROFS -> "truncate -s SIZE on the file, and then the same again";
            case Errno.EOPNOTSUPP -> "a disk in a file, which can grow: vfio show " + address;
            case Errno.EBUSY -> "the same again, once it has been migrated";
            default -> "vfio show " + address;
        };
    }
}
