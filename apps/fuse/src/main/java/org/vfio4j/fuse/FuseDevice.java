package org.vfio4j.fuse;

import static org.vfio4j.sys.Errno.EPERM;

import java.io.IOException;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.Mounts;
import org.vfio4j.sys.SocketIo;
import org.vfio4j.sys.Spawn;
import org.vfio4j.sys.UnixSocket;

/** Mounts and unmounts: by itself where this process may, and by fusermount3, which everybody may ask, where it may not. */
final class FuseDevice {

    private static final String FUSERMOUNT = "fusermount3";

    /** In this variable fusermount3 finds the number of the socket that it sends the mounted device through. */
    private static final String COMM_FD = "_FUSE_COMMFD";

    /** Of the socket in fusermount3. */
    private static final int COMM_FD_NUMBER = 3;

    private FuseDevice() {}

    /** Mounts: what is mounted is served through the descriptor. */
    static Fd mount(Path device, Path directory, String source) {
        Fd fd = FileIo.open(device, FileIo.O_RDWR);
        FileOwner owner = FileOwner.self();
        // All users, because it is as /sys is: the modes of its files say who may do what.
        String options = "fd=" + fd.value() + ",rootmode=40000,user_id=" + owner.uid() + ",group_id=" + owner.gid()
                + ",default_permissions,allow_other";
        int result = Mounts.mount(source, directory, "fuse", Mounts.MS_NOSUID | Mounts.MS_NODEV, options);
        if (result == 0) {
            return fd;
        }
        fd.close();
        if (result != -EPERM) {
            ErrnoException.check(result, "mount " + directory);
        }
        return mountByFusermount(directory, source);
    }

    private static Fd mountByFusermount(Path directory, String source) {
        UnixSocket.Pair sockets = UnixSocket.pair();
        try (Fd own = sockets.first();
                Fd its = sockets.second()) {
            Map<String, String> environment = new HashMap<>(System.getenv());
            environment.put(COMM_FD, Integer.toString(COMM_FD_NUMBER));
            List<String> command = List.of(
                    FUSERMOUNT,
                    "-o",
                    "nosuid,nodev,default_permissions,fsname=" + source,
                    "--",
                    directory.toAbsolutePath().toString());
            int code = Spawn.run(command, environment, its, COMM_FD_NUMBER);
            if (code != 0) {
                throw new ErrnoException(EPERM, FUSERMOUNT + " on " + directory + " ended with " + code);
            }
            return receive(own);
        }
    }

    private static Fd receive(Fd socket) {
        try (SocketIo io = new SocketIo(1);
                Arena arena = Arena.ofConfined()) {
            MemorySegment one = arena.allocate(1);
            long length = io.recv(socket.value(), one, 0, 1, SocketIo.MSG_DONTWAIT);
            if (length != 1 || io.fdCount() != 1) {
                throw new ErrnoException(EPERM, FUSERMOUNT + " sent no descriptor");
            }
            return io.takeFd(0);
        }
    }

    /** Unmounts, whoever is in it. */
    static void unmount(Path directory) {
        int result = Mounts.unmount(directory, Mounts.MNT_DETACH);
        if (result != -EPERM) {
            // Somebody else has unmounted it, otherwise.
            return;
        }
        try {
            new ProcessBuilder(
                            FUSERMOUNT,
                            "-u",
                            "-z",
                            "--",
                            directory.toAbsolutePath().toString())
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start()
                    .waitFor();
        } catch (IOException e) {
            System.getLogger(FuseDevice.class.getName())
                    .log(Level.WARNING, "{0} stays mounted: {1}", directory, e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
