package org.vfio4j.cli.state;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Which function a command means: what commands about one function have in common. */
public final class FunctionChoice {

    @Parameters(
            paramLabel = "ID",
            description = "Address (0000:00:01.0), VFIO device (vfio0), socket, auxiliary device, or UUID of an mdev.")
    private String id = "";

    @Option(
            names = {"--server", "--pid"},
            paramLabel = "PID",
            description = "Of this process, when several have such a function.")
    private long server;

    /** The auxiliary devices of this name that are about no function: what is about one stands for the function. */
    public List<ServerQuery.FoundPart> parts() {
        return ServerQuery.parts().stream()
                .filter(found -> server == 0 || server == found.pid())
                .filter(found -> id.equals(found.auxiliary().name()))
                .filter(found -> functions().stream().noneMatch(of -> of.pid() == found.pid()))
                .toList();
    }

    /** The mediated devices that are meant. */
    public List<ServerQuery.FoundMdev> mdevs() {
        return ServerQuery.mdevs().stream()
                .filter(found -> server == 0 || server == found.pid())
                .filter(found -> !id.isEmpty() && isNamed(found.mdev()))
                .toList();
    }

    private boolean isNamed(ServerState.Mdev mdev) {
        return id.equals(mdev.uuid())
                || id.equals(mdev.vfioDevice())
                || Path.of(id).toAbsolutePath().toString().equals(mdev.socket());
    }

    /** The only one, if one is meant. */
    public Optional<ServerQuery.FoundPart> part(String command) {
        List<ServerQuery.FoundPart> matching = parts();
        if (matching.size() > 1) {
            throw several(
                    command,
                    matching.stream().map(found -> String.valueOf(found.pid())).toList(),
                    matching.getFirst().pid());
        }
        return matching.stream().findFirst();
    }

    private List<ServerQuery.Found> functions() {
        return ServerQuery.functions().stream()
                .filter(found -> server == 0 || server == found.pid())
                .filter(found -> isMeant(found.function()))
                .toList();
    }

    /** All that are meant: functions of several processes may have the same address. */
    public List<ServerQuery.Found> all() {
        if (id.isEmpty()) {
            throw new CliException(ExitCode.NOT_FOUND, "which function? The ID is empty", "vfio ls");
        }
        List<ServerQuery.Found> matching = functions();
        if (matching.isEmpty()) {
            throw new CliException(ExitCode.NOT_FOUND, "no function " + id + " in a serving process", "vfio ls");
        }
        return matching;
    }

    /**
     * The only one that is meant.
     *
     * @param command for the advice when there are several
     */
    public ServerQuery.Found one(String command) {
        List<ServerQuery.Found> matching = all();
        if (matching.size() > 1) {
            List<String> each = matching.stream()
                    .map(found -> found.pid() + " (" + found.function().kind() + ", "
                            + found.function().description() + ")")
                    .toList();
            throw several(command, each, matching.getFirst().pid());
        }
        return matching.getFirst();
    }

    private CliException several(String command, List<String> each, long pid) {
        return CliException.usage(
                id + " is in " + each.size() + " processes: " + String.join(", ", each),
                command + " " + id + " --server " + pid);
    }

    // An empty word, as of a shell's unset variable, means none: not the one that has no VFIO device now.
    private boolean isMeant(ServerState.Function function) {
        return !id.isEmpty() && isNamed(function, id);
    }

    /** Whether a function has this address, VFIO device, auxiliary device or socket. */
    public static boolean isNamed(ServerState.Function function, String id) {
        return id.equals(function.address())
                || ("0000:" + id).equals(function.address())
                || id.equals(function.vfioDevice())
                || id.equals(function.auxiliary())
                || (!function.socket().isEmpty()
                        && Path.of(id).toAbsolutePath().toString().equals(function.socket()));
    }
}
