package org.vfio4j.userspace.vmm;

import static org.vfio4j.sys.Errno.ECANCELED;
import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicReference;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfio.VfioMsixCopy;
import org.vfio4j.vfio.VfioPciConfigCopy;
import org.vfio4j.vfio.VfioPrecopyInfo;

/**
 * Moves a running guest with its memory and its device to another hypervisor: in rounds while it runs, each of which sends what was
 * written during the one before, and the rest while it stands still. For one migration; belongs to the thread that calls {@link #run},
 * and any may {@link #cancel}.
 *
 * <p>Until the other side has everything and is told to go on, a failure of any kind leaves the guest running here. From
 * then on only the other side runs it.
 */
public final class MigrationSource {

    private static final System.Logger LOG = System.getLogger(MigrationSource.class.getName());
    private static final int DEVICE_CHUNK = 1 << 20;
    private static final long TELL_NS = 100_000_000;

    private enum Phase {
        SENDING,
        CANCELLED,
        COMMITTED
    }

    private final VirtualMachine machine;
    private final MigrationChannel channel;
    private final MigrationOptions options;
    private final MigrationProgress.Listener listener;
    private final MigratingDevice device;
    private final FrameWriter out;
    private final FrameReader in;
    private final MemorySender memory;
    private final StorageSender storage;
    private final PageSet pages;
    private final DowntimeEstimate estimate = new DowntimeEstimate();
    private final MemorySegment chunk = Arena.ofAuto().allocate(DEVICE_CHUNK, Long.BYTES);
    private final AtomicReference<Phase> phase = new AtomicReference<>(Phase.SENDING);

    // How far it has got, for going back.
    private boolean logging;
    private boolean stateTouched;
    private boolean guestStopped;

    private int rounds;
    private long roundBytes;
    private long roundBeginNs;
    private long roundBeginBytes;
    private long toldNs;
    private long roundNs;
    private long lastRoundNs;

    /** @param channel to the other side, which the caller closes */
    public MigrationSource(
            VirtualMachine machine,
            MigrationChannel channel,
            MigrationOptions options,
            MigrationProgress.Listener listener) {
        this(machine, channel, options, listener, List.of());
    }

    /**
     * The same for a guest whose disks come along.
     *
     * @param disks those of its device, in order, which the caller closes; none when both sides share their storage
     */
    public MigrationSource(
            VirtualMachine machine,
            MigrationChannel channel,
            MigrationOptions options,
            MigrationProgress.Listener listener,
            List<SourceDisk> disks) {
        this.machine = machine;
        this.channel = channel;
        this.options = options;
        this.listener = listener;
        device = new MigratingDevice(machine.device());
        out = new FrameWriter(channel);
        in = new FrameReader(channel);
        memory = new MemorySender(machine.memory(), out, this::checkpoint);
        storage = new StorageSender(disks, out, this::checkpoint);
        pages = new PageSet(machine.memory().ranges());
    }

    /**
     * Does it. When it returns, the guest runs on the other side; here it has let go of the device, which is stopped.
     *
     * @throws ErrnoException why not: the guest runs here. ECANCELED after {@link #cancel}, ETIMEDOUT when the guest writes too much for
     *     the downtime that is allowed
     * @throws PeerFailure when the other side refuses or fails: the guest runs here
     * @throws MigrationInDoubt when the guest may run there, and is stopped here
     */
    public MigrationResult run() {
        long start = System.nanoTime();
        try {
            introduce();
            precopy();
            long stopped = System.nanoTime();
            stopAndCopy();
            commit();
            long end = System.nanoTime();
            machine.guest().forget();
            leaveDevice();
            double rate = roundNs == 0 ? 0 : roundBytes * 1e9 / roundNs;
            return new MigrationResult(rounds, out.bytes(), end - start, end - stopped, rate);
        } catch (MigrationInDoubt e) {
            throw e;
        } catch (RuntimeException e) {
            RuntimeException why = reason(e);
            goOn();
            if (phase.get() == Phase.CANCELLED) {
                throw cancelled();
            }
            throw why;
        }
    }

    /** A peer that gives up says why and goes, while this side is still sending: its word is there to be read behind the failure. */
    private RuntimeException reason(RuntimeException failure) {
        if (!(failure instanceof ErrnoException e) || e.errno() != ECONNRESET) {
            return failure;
        }
        try {
            return in.awaitFailure();
        } catch (ErrnoException nothing) {
            return failure;
        }
    }

    /**
     * Calls it off from another thread: {@link #run} fails, and the guest goes on here.
     *
     * @return false when it is too late: the other side goes on with it
     */
    public boolean cancel() {
        if (phase.compareAndSet(Phase.SENDING, Phase.CANCELLED)) {
            channel.close();
        }
        return phase.get() == Phase.CANCELLED;
    }

    /** Takes everything back, so that the guest runs here: by {@link #run} itself, and by who knows that it does not run there. */
    public void goOn() {
        channel.close();
        if (logging) {
            attempt("end the log", device::stopLog);
            logging = false;
        }
        if (stateTouched) {
            attempt("let the device go on", () -> device.go(VfioMigrationState.RUNNING));
            stateTouched = false;
        }
        if (guestStopped) {
            attempt("let the guest go on", machine.guest()::resume);
            guestStopped = false;
        }
    }

    private void introduce() {
        out.put(
                MigrationFrame.HELLO,
                new MigrationHello(
                                machine.guest().kind(),
                                machine.guest().shape(),
                                VfioPciConfigCopy.of(machine.device()).bytes(),
                                device.flags(),
                                machine.memory().ranges(),
                                storage.shapes())
                        .toBytes());
        out.flush();
        in.expect(MigrationFrame.ACCEPTED);
    }

    private void precopy() {
        boolean deviceToo = device.hasPreCopy();
        // What was told before is part of everything.
        machine.memory().takeWritten(page -> {});
        device.startLog(machine.memory().ranges());
        logging = true;
        pages.addAll();
        if (deviceToo) {
            stateTouched = true;
            device.go(VfioMigrationState.PRE_COPY);
        }
        round(deviceToo);
        long start = System.nanoTime();
        while (true) {
            MigrationProgress progress = lookAhead(deviceToo);
            listener.at(progress);
            boolean pays = estimate.anotherRoundPays(progress.leftBytes());
            boolean late = System.nanoTime() - start > options.timeoutNs();
            if (progress.expectedDowntimeNs() <= options.maxDowntimeNs()) {
                if (!pays || late) {
                    return;
                }
            } else if (late) {
                throw tooBusy(progress);
            }
            round(deviceToo);
        }
    }

    private ErrnoException tooBusy(MigrationProgress progress) {
        return new ErrnoException(
                ETIMEDOUT,
                String.format(
                        Locale.ROOT,
                        "migration: after %d rounds the guest would still have to stand still for %d ms,"
                                + " and may for %d ms: it writes %.0f MB/s, and %.0f MB/s are sent",
                        rounds,
                        progress.expectedDowntimeNs() / 1_000_000,
                        options.maxDowntimeNs() / 1_000_000,
                        progress.dirtyBytesPerSecond() / 1e6,
                        progress.bytesPerSecond() / 1e6));
    }

    private void round(boolean deviceToo) {
        long begin = System.nanoTime();
        long before = out.bytes();
        roundBeginNs = begin;
        roundBeginBytes = before;
        toldNs = begin;
        storage.send();
        memory.send(pages, rounds == 0);
        if (deviceToo) {
            sendDevice();
        }
        out.send(MigrationFrame.ROUND);
        long given = System.nanoTime();
        in.expect(MigrationFrame.ROUND_DONE);
        long end = System.nanoTime();
        long bytes = out.bytes() - before;
        rounds++;
        roundBytes += bytes;
        roundNs += end - begin;
        lastRoundNs = end - begin;
        estimate.round(bytes, end - begin, end - given);
    }

    private MigrationProgress lookAhead(boolean deviceToo) {
        collect();
        long storageBytes = storage.bytes();
        long writtenBytes = pages.bytes() + storageBytes;
        long deviceBytes = device.stopCopyLength();
        if (deviceToo) {
            VfioPrecopyInfo info = device.precopyInfo();
            deviceBytes += info.initialBytes() + info.dirtyBytes();
        }
        long left = writtenBytes + deviceBytes;
        return new MigrationProgress(
                rounds,
                out.bytes(),
                left,
                storageBytes,
                estimate.bytesPerSecond(),
                writtenBytes * 1e9 / Math.max(1, lastRoundNs),
                estimate.downtimeNs(left));
    }

    /** What is to be sent from now on: what guest and device have written since the last time. */
    private void collect() {
        pages.clear();
        addWritten();
    }

    private void addWritten() {
        machine.guest().tellWritten();
        machine.memory().takeWritten(pages::add);
        device.report(pages);
        storage.collect();
    }

    private void stopAndCopy() {
        guestStopped = true;
        machine.guest().stop();
        // In STOP_COPY its registers cannot be read.
        VfioPciConfigCopy config = VfioPciConfigCopy.of(machine.device());
        VfioMsixCopy msix = VfioMsixCopy.of(machine.device());
        stateTouched = true;
        device.go(VfioMigrationState.STOP_COPY);
        addWritten();
        storage.send();
        memory.send(pages, false);
        sendDevice();
        out.put(MigrationFrame.CONFIG, config.bytes());
        out.put(MigrationFrame.MSIX_TABLE, msix.table());
        out.put(MigrationFrame.MSIX_PENDING, msix.pending().toByteArray());
        out.put(MigrationFrame.GUEST, machine.guest().save());
        out.send(MigrationFrame.END);
        in.expect(MigrationFrame.READY);
    }

    /** From the first byte of GO on the guest is the other side's. */
    private void commit() {
        if (!phase.compareAndSet(Phase.SENDING, Phase.COMMITTED)) {
            throw cancelled();
        }
        try {
            out.send(MigrationFrame.GO);
            in.expect(MigrationFrame.RUNNING);
        } catch (ErrnoException e) {
            throw new MigrationInDoubt(e);
        }
    }

    private void sendDevice() {
        int count = device.read(chunk);
        while (count > 0) {
            checkNotCancelled();
            out.put(MigrationFrame.DEVICE, 0, chunk.asSlice(0, count));
            // The chunk is used again.
            out.flush();
            count = device.read(chunk);
        }
    }

    private void leaveDevice() {
        attempt("end the log", device::stopLog);
        attempt("stop the device", () -> device.go(VfioMigrationState.STOP));
    }

    /** Between pieces of a round: tells how far it is, now and then. */
    private void checkpoint() {
        checkNotCancelled();
        long now = System.nanoTime();
        if (guestStopped || now - toldNs < TELL_NS) {
            return;
        }
        toldNs = now;
        long storageBytes = storage.bytes();
        listener.at(new MigrationProgress(
                rounds,
                out.bytes(),
                storageBytes + pages.bytes(),
                storageBytes,
                (out.bytes() - roundBeginBytes) * 1e9 / Math.max(1, now - roundBeginNs),
                0,
                Long.MAX_VALUE));
    }

    private void checkNotCancelled() {
        if (phase.get() == Phase.CANCELLED) {
            throw cancelled();
        }
    }

    private static ErrnoException cancelled() {
        return new ErrnoException(ECANCELED, "migration: it was called off");
    }

    /** Each step is worth trying, whatever has become of the one before. */
    private static void attempt(String what, Runnable step) {
        try {
            step.run();
        } catch (ErrnoException e) {
            LOG.log(Level.WARNING, "migration: to {0}: {1}", what, e.getMessage());
        }
    }
}
