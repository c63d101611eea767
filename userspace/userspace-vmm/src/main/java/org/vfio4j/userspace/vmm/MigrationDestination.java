package org.vfio4j.userspace.vmm;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOMEM;
import static org.vfio4j.sys.Errno.EPROTO;

import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfio.VfioMsixCopy;
import org.vfio4j.vfio.VfioPciConfigCopy;

/**
 * Takes a guest in that another hypervisor sends: checks that it fits before anything changes, fills memory and device, and lets it go
 * on when it is told to. For one guest; belongs to the thread that calls {@link #run}. What comes is believed nowhere.
 */
public final class MigrationDestination {

    private static final int MAX_CONFIG_BYTES = 4096;
    private static final int MAX_MSIX_BYTES = 2048 * 16;
    private static final int MAX_ROUNDS = 1 << 20;
    private static final int PIECE = 1 << 20;

    /** Fewer are taken as they are written. */
    private static final int POPULATE_BYTES = 64 << 10;

    private final GuestDevice file;
    private final MigrationChannel channel;
    private final GuestLoader loader;
    private final long maxMemoryBytes;
    private final MigratingDevice device;
    private final FrameWriter out;
    private final FrameReader in;
    private final StorageReceiver storage;

    // What has come.
    private @Nullable GuestMemory memory;
    private @Nullable Guest guest;
    private byte[] config = {};
    private byte[] msixTable = {};
    private byte[] msixPending = {};
    private byte[] guestState = {};
    private boolean touched;
    private int rounds;

    /**
     * @param file a device that is not in use
     * @param channel to the other side, which the caller closes
     * @param loader of the guests that are welcome
     * @param maxMemoryBytes the most that a guest may have
     */
    public MigrationDestination(GuestDevice file, MigrationChannel channel, GuestLoader loader, long maxMemoryBytes) {
        this(file, channel, loader, maxMemoryBytes, List.of());
    }

    /**
     * The same for a guest that brings the storage of its disks.
     *
     * @param disks to be overwritten by it, which the caller closes; none for guests whose storage is shared
     */
    public MigrationDestination(
            GuestDevice file,
            MigrationChannel channel,
            GuestLoader loader,
            long maxMemoryBytes,
            List<TargetDisk> disks) {
        this.file = file;
        this.channel = channel;
        this.loader = loader;
        this.maxMemoryBytes = maxMemoryBytes;
        device = new MigratingDevice(file);
        out = new FrameWriter(channel);
        in = new FrameReader(channel);
        storage = new StorageReceiver(disks, in);
    }

    /**
     * Takes the guest in. When it returns, the guest runs here, and memory and guest are the caller's.
     *
     * @throws ErrnoException why not, which the other side was told too: nothing of the guest is left here, and the device is as after a
     *     reset
     */
    public VirtualMachine run() {
        try {
            MigrationHello hello = meet();
            GuestMemory ours = prepare(hello);
            out.send(MigrationFrame.ACCEPTED);
            receive(ours);
            Guest loaded = load(ours);
            out.send(MigrationFrame.READY);
            in.expect(MigrationFrame.GO);
            device.go(VfioMigrationState.RUNNING);
            // The guest begins when the other side cannot any more fail to hear of it for a reason of ours.
            out.send(MigrationFrame.RUNNING);
            loaded.resume();
            return new VirtualMachine(file, ours, loaded);
        } catch (RuntimeException e) {
            discard();
            tell(e);
            throw e;
        }
    }

    private MigrationHello meet() {
        in.expect(MigrationFrame.HELLO);
        MigrationHello hello = MigrationHello.parse(in.data(MigrationHello.MAX_BYTES));
        if (!hello.guestKind().equals(loader.kind())) {
            throw refused("a guest of kind '" + hello.guestKind() + "': this takes '" + loader.kind() + "'");
        }
        if (!VfioPciConfigCopy.of(hello.config()).fits(file)) {
            throw refused("its device is another one, or has another configuration space");
        }
        long flags = device.flags();
        if (flags != hello.migrationFlags()) {
            throw refused("its device migrates with flags 0x" + Long.toHexString(hello.migrationFlags())
                    + ", this one with 0x" + Long.toHexString(flags));
        }
        long memoryBytes =
                hello.ranges().stream().mapToLong(GuestMemory.Range::sizeBytes).sum();
        if (memoryBytes > maxMemoryBytes) {
            throw new ErrnoException(
                    ENOMEM,
                    "migration: a guest with " + memoryBytes + " bytes of memory: the limit is " + maxMemoryBytes);
        }
        loader.check(file, hello.shape());
        storage.meet(hello.disks());
        return hello;
    }

    private GuestMemory prepare(MigrationHello hello) {
        GuestMemory ours = GuestMemory.create(hello.ranges());
        memory = ours;
        touched = true;
        ours.mapFor(file);
        device.go(VfioMigrationState.RESUMING);
        return ours;
    }

    /** Everything up to END. */
    private void receive(GuestMemory ours) {
        while (in.next() != MigrationFrame.END) {
            switch (in.type()) {
                case MigrationFrame.PAGES -> pages(ours);
                case MigrationFrame.ZEROES -> zeroes(ours);
                case MigrationFrame.DEVICE -> deviceState(in.data(PIECE));
                case MigrationFrame.STORAGE, MigrationFrame.STORAGE_ZEROES -> storage.take();
                case MigrationFrame.ROUND -> {
                    checkEmpty();
                    // What is slow about it is part of the round, and not of the end.
                    storage.sync();
                    if (++rounds > MAX_ROUNDS) {
                        throw new ErrnoException(EPROTO, "migration: more than " + MAX_ROUNDS + " rounds");
                    }
                    out.send(MigrationFrame.ROUND_DONE);
                }
                case MigrationFrame.CONFIG -> config = in.data(MAX_CONFIG_BYTES);
                case MigrationFrame.MSIX_TABLE -> msixTable = in.data(MAX_MSIX_BYTES);
                case MigrationFrame.MSIX_PENDING -> msixPending = in.data(MAX_MSIX_BYTES);
                case MigrationFrame.GUEST -> guestState = in.data(MigrationFrame.MAX_DATA);
                default -> throw in.unexpected();
            }
        }
        checkEmpty();
        storage.checkWhole();
        storage.sync();
    }

    private void deviceState(byte[] piece) {
        stateHasCome(() -> device.write(MemorySegment.ofArray(piece)));
    }

    /** A device across a socket says no more than an errno. */
    private static void stateHasCome(Runnable step) {
        try {
            step.run();
        } catch (ErrnoException e) {
            throw e.errno() == EINVAL
                    ? new ErrnoException(
                            EINVAL,
                            "migration: the device here does not take the state of the one there, which has other"
                                    + " limits or another size: the log of its server here says which")
                    : e;
        }
    }

    private void pages(GuestMemory ours) {
        if (in.length() > MigrationFrame.MAX_PAGES_BYTES) {
            throw new ErrnoException(
                    EPROTO,
                    "migration: PAGES of " + in.length() + " bytes: the limit is " + MigrationFrame.MAX_PAGES_BYTES);
        }
        checkPages();
        MemorySegment pages = ours.segment(in.value(), in.length());
        if (rounds == 0 && in.length() >= POPULATE_BYTES) {
            ours.populate(in.value(), in.length());
        }
        in.read(pages);
    }

    private void zeroes(GuestMemory ours) {
        checkPages();
        ours.segment(in.value(), in.length()).fill((byte) 0);
    }

    private void checkPages() {
        if (((in.value() | in.length()) & (GuestMemory.PAGE_BYTES - 1)) != 0) {
            throw new ErrnoException(
                    EPROTO,
                    "migration: " + in.length() + " bytes at 0x" + Long.toHexString(in.value()) + " are no pages");
        }
    }

    private void checkEmpty() {
        if (in.length() != 0) {
            throw new ErrnoException(
                    EPROTO, "migration: a " + MigrationFrame.name(in.type()) + " with " + in.length() + " bytes");
        }
    }

    /** The device has all of its state, and memory has come: makes the guest, which does not begin yet. */
    private Guest load(GuestMemory ours) {
        stateHasCome(() -> device.go(VfioMigrationState.STOP));
        VfioPciConfigCopy copy = VfioPciConfigCopy.of(config);
        if (!copy.fits(file)) {
            throw refused("its device has become another one");
        }
        copy.restore(file);
        copy.restoreCommand(file);
        Guest loaded = loader.load(file, ours, guestState);
        guest = loaded;
        new VfioMsixCopy(msixTable, BitSet.valueOf(msixPending)).restore(file);
        return loaded;
    }

    private void discard() {
        List<Runnable> steps = List.of(
                () -> Optional.ofNullable(guest).ifPresent(Guest::forget),
                () -> {
                    if (touched) {
                        file.reset();
                    }
                },
                () -> Optional.ofNullable(memory).ifPresent(ours -> {
                    if (touched) {
                        file.dmaUnmapAll();
                    }
                }),
                () -> Optional.ofNullable(memory).ifPresent(GuestMemory::close));
        for (Runnable step : steps) {
            try {
                step.run();
            } catch (ErrnoException e) {
                System.getLogger(MigrationDestination.class.getName())
                        .log(System.Logger.Level.WARNING, "migration: to discard a guest: {0}", e.getMessage());
            }
        }
        guest = null;
        memory = null;
    }

    /** The other side goes on sooner when it hears why, and that nobody takes any more of what it is sending. */
    private void tell(RuntimeException failure) {
        int errno = failure instanceof ErrnoException e ? e.errno() : EPROTO;
        int type = touched ? MigrationFrame.FAILED : MigrationFrame.REFUSED;
        try {
            out.put(type, errno, MemorySegment.ofArray(FrameReader.text(String.valueOf(failure.getMessage()))));
            out.flush();
        } catch (ErrnoException e) {
            // It is gone, or hears it from the end of the stream.
            System.getLogger(MigrationDestination.class.getName())
                    .log(System.Logger.Level.DEBUG, "migration: nobody hears why it failed: {0}", e.getMessage());
        }
        channel.close();
    }

    private static ErrnoException refused(String why) {
        return new ErrnoException(EINVAL, "migration: the guest does not fit: " + why);
    }
}
