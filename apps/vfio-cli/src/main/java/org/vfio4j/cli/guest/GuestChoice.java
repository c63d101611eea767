package org.vfio4j.cli.guest;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.vfio4j.cli.state.FunctionChoice;
import org.vfio4j.cli.state.GuestStatus;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;

/** Which guest a command means: by its process, or by its device. */
final class GuestChoice {

    private GuestChoice() {}

    /** The process of the only guest that is meant. */
    static long find(String id) {
        List<GuestStatus> guests = ServerDirectory.guests();
        Set<String> sockets = new HashSet<>();
        sockets.add(Path.of(id).toAbsolutePath().toString());
        ServerQuery.functions().stream()
                .map(ServerQuery.Found::function)
                .filter(function -> FunctionChoice.isNamed(function, id))
                .map(ServerState.Function::socket)
                .filter(socket -> !socket.isEmpty())
                .forEach(sockets::add);
        List<Long> meant = guests.stream()
                .filter(guest -> id.equals(Long.toString(guest.pid())) || sockets.contains(guest.socket()))
                .map(GuestStatus::pid)
                .toList();
        if (meant.isEmpty()) {
            throw new CliException(
                    ExitCode.NOT_FOUND,
                    "no guest uses " + id + (guests.isEmpty() ? "" : ": there are processes " + pids(guests)),
                    "vfio guest --socket-path " + (id.indexOf('/') < 0 ? "PATH" : id));
        }
        if (meant.size() > 1) {
            throw CliException.usage(
                    id + " is used by guests in " + meant.size() + " processes: " + meant,
                    "vfio migrate " + meant.getFirst());
        }
        return meant.getFirst();
    }

    private static List<Long> pids(List<GuestStatus> guests) {
        return guests.stream().map(GuestStatus::pid).toList();
    }
}
