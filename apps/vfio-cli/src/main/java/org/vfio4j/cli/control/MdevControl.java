package org.vfio4j.cli.control;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EADDRINUSE;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENAMETOOLONG;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ENOTDIR;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.vfio4j.cli.machine.MdevHost;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.mdev.MdevSockets;
import org.vfio4j.cli.mdev.MdevState;
import org.vfio4j.cli.mdev.MdevTypeState;
import org.vfio4j.cli.socket.Sockets;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.Output;
import org.vfio4j.mdevcore.MdevUuid;
import org.vfio4j.sys.ErrnoException;

/** Answers what other processes ask about mdevs. Any thread calls. */
public final class MdevControl {

    /** The kind of a reply about mdevs. */
    public static final String MDEV = "Mdev";

    /** The kind of a reply about types. */
    public static final String MDEV_TYPE = "MdevType";

    /** What a path can be refused with. */
    private static final Set<Integer> SOCKET_ERRNOS = Set.of(EADDRINUSE, EEXIST, ENAMETOOLONG, ENOENT, EACCES, ENOTDIR);

    private final MdevHost mdevs;

    MdevControl(MdevHost mdevs) {
        this.mdevs = mdevs;
    }

    /**
     * The reply to a request, a line of JSON.
     *
     * @throws ErrnoException what keeps it from being done
     */
    String answer(MdevRequest request) {
        return switch (request.kind()) {
            case MdevRequest.TYPES -> Output.jsonLine(MDEV_TYPE, mdevs.types(), MdevTypeState::write);
            case MdevRequest.LIST -> reply(mdevs.states());
            case MdevRequest.START -> reply(List.of(start(request)));
            case MdevRequest.STOP -> reply(List.of(mdevs.stop(MdevUuid.parse(request.uuid()), request.timeout())));
            default -> throw new ErrnoException(EOPNOTSUPP, "request '" + request.kind() + "'");
        };
    }

    private MdevState start(MdevRequest request) {
        UUID uuid = MdevUuid.parse(request.uuid());
        Path socket = request.socket().isEmpty() ? MdevSockets.path(uuid) : Path.of(request.socket());
        if (!socket.isAbsolute()) {
            throw new ErrnoException(EINVAL, "socket " + socket + ": an absolute path is needed");
        }
        MdevDefinition definition = new MdevDefinition(request.parent(), uuid, request.type(), false, request.attrs());
        try {
            return mdevs.start(definition, socket);
        } catch (ErrnoException e) {
            if (SOCKET_ERRNOS.contains(e.errno())
                    && String.valueOf(e.getMessage()).contains(socket.toString())) {
                throw new CliException(e, Sockets.hint(e.errno(), socket));
            }
            throw e;
        }
    }

    private static String reply(List<MdevState> states) {
        return Output.jsonLine(MDEV, states, MdevState::write);
    }
}
