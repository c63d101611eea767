package org.vfio4j.cli.guest;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.control.ServerControl;
import org.vfio4j.cli.process.StopSignal;
import org.vfio4j.cli.state.GuestStatus;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.Output;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.vmm.DiskGuest;
import org.vfio4j.userspace.vmm.MigrationChannel;
import org.vfio4j.userspace.vmm.MigrationInDoubt;
import org.vfio4j.userspace.vmm.MigrationOptions;
import org.vfio4j.userspace.vmm.MigrationProgress;
import org.vfio4j.userspace.vmm.MigrationResult;
import org.vfio4j.userspace.vmm.MigrationSource;
import org.vfio4j.userspace.vmm.PeerFailure;
import org.vfio4j.userspace.vmm.VirtualMachine;
import tools.jackson.core.JacksonException;

/**
 * A guest of this process, from when it runs to its end: by time, by a signal, or because it has moved. Other processes ask for it
 * on the control socket's threads; a migration has one of its own.
 */
final class GuestSession {

    private static final double NS_PER_MS = 1e6;
    private static final long LOOK_MS = 50;
    private static final long TOLD_SECONDS = 5;

    private final VirtualMachine machine;
    private final DiskGuest guest;
    private final String socket;
    private final CountDownLatch told = new CountDownLatch(1);
    private GuestStatus.Migration migration = GuestStatus.Migration.NOT_YET;
    private @Nullable MigrationSource source;
    private @Nullable Thread mover;
    private boolean ending;
    private boolean calledOff;

    /** @param machine its guest is a {@link DiskGuest} that runs */
    GuestSession(VirtualMachine machine, Path socket) {
        this.machine = machine;
        this.socket = socket.toAbsolutePath().toString();
        guest = (DiskGuest) machine.guest();
    }

    /** The reply to a line. */
    String answer(String line) {
        try {
            GuestRequest request = GuestRequest.parse(line);
            switch (request.kind()) {
                case GuestRequest.MIGRATE -> migrate(request);
                case GuestRequest.CANCEL -> cancel();
                case GuestRequest.RESUME -> resume();
                default -> {}
            }
            GuestStatus status = status();
            if (status.migration().phase().equals(GuestStatus.MOVED)) {
                told.countDown();
            }
            return Output.jsonLine("GuestStatus", List.of(status), GuestStatus::write);
        } catch (JacksonException e) {
            return ServerControl.failure(EINVAL, "a request that is none: " + e.getOriginalMessage());
        } catch (ErrnoException e) {
            return ServerControl.failure(e.errno(), String.valueOf(e.getMessage()));
        } catch (CliException e) {
            return ServerControl.failure(EINVAL, String.valueOf(e.getMessage()));
        }
    }

    synchronized GuestStatus status() {
        DiskGuest.Counters counters = guest.counters();
        return new GuestStatus(
                ProcessHandle.current().pid(),
                socket,
                machine.memory().sizeBytes(),
                counters.reads(),
                counters.writes(),
                counters.pages(),
                counters.moves(),
                migration);
    }

    /**
     * Waits for the end.
     *
     * @param limitNs for the time that the guest has
     * @return whether the guest has moved; otherwise it is here, and stopped by nobody
     */
    boolean await(StopSignal stop, long limitNs) throws InterruptedException {
        long start = System.nanoTime();
        while (!isMoved() && guest.failure().isEmpty() && System.nanoTime() - start < limitNs) {
            if (stop.await(LOOK_MS)) {
                break;
            }
        }
        Optional<Thread> running = end();
        if (running.isPresent()) {
            running.get().join();
        }
        if (isMoved()) {
            // Whoever asked for it wants to hear that it is done.
            told.await(TOLD_SECONDS, TimeUnit.SECONDS);
        }
        return isMoved();
    }

    private synchronized Optional<Thread> end() {
        ending = true;
        if (isMoved()) {
            return Optional.empty();
        }
        cancel();
        return Optional.ofNullable(mover);
    }

    private synchronized boolean isMoved() {
        return migration.phase().equals(GuestStatus.MOVED);
    }

    private synchronized void migrate(GuestRequest request) {
        if (ending || mover != null || migration.phase().equals(GuestStatus.IN_DOUBT)) {
            throw new ErrnoException(
                    EBUSY, "migrate the guest, which is " + migration.phase() + (ending ? ", ending" : ""));
        }
        TcpAddress destination = TcpAddress.parse("destination", request.destination());
        MigrationOptions options = new MigrationOptions(
                Math.max(1, (long) (request.maxDowntimeMs() * NS_PER_MS)), (long) (request.timeoutMs() * NS_PER_MS));
        migration = GuestStatus.Migration.of(GuestStatus.MOVING, 0, "");
        calledOff = false;
        mover = Thread.ofPlatform().daemon().name("vfio-migration").start(() -> move(destination, options, request));
    }

    private synchronized void cancel() {
        MigrationSource running = source;
        if (running != null) {
            running.cancel();
        } else {
            // It has not begun.
            calledOff = true;
        }
    }

    private synchronized void resume() {
        MigrationSource doubtful = source;
        if (doubtful == null || !migration.phase().equals(GuestStatus.IN_DOUBT)) {
            throw new ErrnoException(EINVAL, "let the guest go on: it is " + migration.phase());
        }
        doubtful.goOn();
        source = null;
        migration = GuestStatus.Migration.of(GuestStatus.FAILED, 0, "it goes on here");
    }

    private void move(TcpAddress destination, MigrationOptions options, GuestRequest request) {
        GuestStatus.Migration end;
        RehearsalRequest.perform(socket);
        try (MigrationChannel channel = request.tls().connect(destination);
                ServedStorage storage = request.storage().equals(GuestRequest.COPY)
                        ? ServedStorage.read(socket)
                        : ServedStorage.shared()) {
            MigrationSource moving = new MigrationSource(machine, channel, options, this::at, storage.sources());
            synchronized (this) {
                source = moving;
                if (calledOff) {
                    moving.cancel();
                }
            }
            end = moved(moving.run());
        } catch (MigrationInDoubt e) {
            end = GuestStatus.Migration.of(GuestStatus.IN_DOUBT, 0, String.valueOf(e.getMessage()));
        } catch (PeerFailure e) {
            end = GuestStatus.Migration.of(GuestStatus.FAILED, e.errno(), destination + " says: " + e.getMessage());
        } catch (ErrnoException e) {
            end = GuestStatus.Migration.of(GuestStatus.FAILED, e.errno(), String.valueOf(e.getMessage()));
        } catch (RuntimeException e) {
            end = GuestStatus.Migration.of(GuestStatus.FAILED, EIO, e.toString());
        }
        synchronized (this) {
            migration = end;
            mover = null;
            if (!end.phase().equals(GuestStatus.IN_DOUBT)) {
                source = null;
            }
        }
    }

    private synchronized void at(MigrationProgress now) {
        migration = new GuestStatus.Migration(
                GuestStatus.MOVING,
                now.round(),
                now.sentBytes(),
                now.leftBytes(),
                now.storageLeftBytes(),
                now.bytesPerSecond(),
                now.dirtyBytesPerSecond(),
                now.expectedDowntimeNs() == Long.MAX_VALUE ? -1 : now.expectedDowntimeNs() / NS_PER_MS,
                0,
                0,
                0,
                "");
    }

    private static GuestStatus.Migration moved(MigrationResult result) {
        return new GuestStatus.Migration(
                GuestStatus.MOVED,
                result.rounds(),
                result.sentBytes(),
                0,
                0,
                result.bytesPerSecond(),
                0,
                0,
                result.downtimeNs() / NS_PER_MS,
                result.totalNs() / NS_PER_MS,
                0,
                "");
    }
}
