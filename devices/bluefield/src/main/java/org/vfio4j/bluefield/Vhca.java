package org.vfio4j.bluefield;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.System.Logger.Level;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.mlx5.PageTrackRange;
import org.vfio4j.mlx5.VhcaMigrationState;
import org.vfio4j.mlx5.VhcaSide;
import org.vfio4j.sys.ErrnoException;

/**
 * What the firmware has of one emulated function: which sides of it are suspended, what has been saved of it so far, and what has
 * been loaded. The commands of {@link org.vfio4j.mlx5.Mlx5Firmware}, one after the other under this object's lock.
 *
 * <p>An image of a function that runs is taken while it is stopped for as long as that takes: the time that its requests in flight need, and some
 * microseconds more.
 */
final class Vhca {

    private static final System.Logger LOG = System.getLogger(Vhca.class.getName());
    private static final byte[] NOTHING = {};

    private final int id;
    private final FunctionState function;
    private final AtomicReference<@Nullable PageTracker> tracker = new AtomicReference<>();

    private boolean initiatorSuspended;
    private boolean responderSuspended;

    // What only one function can have was given up, and could not be had again.
    private boolean released;

    // What the images so far add up to, and how many there are.
    private byte[] saved = NOTHING;
    private int savedImages;
    private byte[] loaded = NOTHING;
    private int loadedImages;

    /** @param id by which commands name it */
    Vhca(int id, FunctionState function) {
        this.id = id;
        this.function = function;
    }

    int id() {
        return id;
    }

    /** What its windows look at. */
    AtomicReference<@Nullable PageTracker> tracker() {
        return tracker;
    }

    synchronized void suspend(VhcaSide side) {
        if (side == VhcaSide.INITIATOR) {
            require(!initiatorSuspended, "suspend initiator: it is suspended");
            function.suspend();
            initiatorSuspended = true;
        } else {
            require(initiatorSuspended && !responderSuspended, "suspend responder: the initiator comes first, once");
            responderSuspended = true;
            function.release();
            released = true;
        }
    }

    synchronized void resume(VhcaSide side) {
        if (side == VhcaSide.RESPONDER) {
            require(responderSuspended, "resume responder: it is not suspended");
            require(loadedImages == 0, "resume responder: its state has not come whole");
            function.claim();
            released = false;
            responderSuspended = false;
        } else {
            require(initiatorSuspended && !responderSuspended, "resume initiator: the responder comes first, once");
            initiatorSuspended = false;
            function.resume();
        }
    }

    /**
     * The function was reset: it runs, and whatever was under way is over. When another has its storage, because its user has moved
     * there, it is held instead, without a word to the host: its registers live on and its queues do not.
     */
    synchronized void reset() {
        initiatorSuspended = false;
        responderSuspended = false;
        if (released) {
            try {
                function.claim();
                released = false;
            } catch (ErrnoException e) {
                function.suspend();
                LOG.log(Level.WARNING, "VHCA {0} is held until its storage is free: {1}", id, e.getMessage());
            }
        }
        forgetSaved();
        forgetLoaded();
    }

    synchronized VhcaMigrationState query(boolean incremental) {
        return new VhcaMigrationState(
                incremental ? incrementalBytes() : StateImage.sizeBytes(function.sizeBytes()), loadedImages > 0);
    }

    synchronized byte[] save(boolean incremental, boolean setTrack) {
        require(!incremental || savedImages > 0, "save incremental state: nothing has been saved");
        require(!setTrack || !responderSuspended, "save and track: it is suspended");
        require(setTrack || responderSuspended, "save the last image: it is not suspended");
        StateImage image = image(incremental, !setTrack);
        if (setTrack) {
            saved = image.applyTo(incremental ? saved : NOTHING);
            savedImages = image.number() + 1;
        } else {
            forgetSaved();
        }
        return image.toBytes();
    }

    synchronized void load(byte[] bytes) {
        require(responderSuspended, "load: it is not suspended");
        try {
            StateImage image = StateImage.parse(bytes);
            if (image.number() != loadedImages) {
                throw StateImage.refused(
                        "number " + Integer.toUnsignedLong(image.number()) + ", expected is " + loadedImages);
            }
            loaded = image.applyTo(loaded);
            loadedImages++;
            if (image.isLast()) {
                function.load(loaded);
                forgetLoaded();
            }
        } catch (ErrnoException e) {
            forgetLoaded();
            throw e;
        }
    }

    /**
     * Changes what its driver has been told of it, which its state says as well.
     *
     * @throws ErrnoException EBUSY while its state goes to another one, or another's comes
     */
    synchronized void change(Runnable work) {
        if (initiatorSuspended || savedImages > 0) {
            throw new ErrnoException(EBUSY, "VHCA " + id + ": change it: it is being migrated");
        }
        work.run();
    }

    synchronized PageTracker track(List<PageTrackRange> ranges, int logPageSize) {
        PageTracker begun = new PageTracker(ranges, logPageSize);
        if (!tracker.compareAndSet(null, begun)) {
            throw new ErrnoException(EBUSY, "VHCA " + id + ": create page tracker: it has one");
        }
        // A write that has not been marked yet is marked before the function stops, and sees the tracker or is older.
        if (!initiatorSuspended) {
            function.suspend();
            function.resume();
        }
        return begun;
    }

    void stopTracking(PageTracker running) {
        tracker.compareAndSet(running, null);
    }

    private int incrementalBytes() {
        require(savedImages > 0, "query incremental state: nothing has been saved");
        StateImage next = image(true, false);
        return next.isEmpty() ? 0 : next.sizeBytes();
    }

    private StateImage image(boolean incremental, boolean isLast) {
        byte[] state = snapshot();
        return StateImage.of(incremental ? savedImages : 0, isLast, incremental ? saved : NOTHING, state);
    }

    private byte[] snapshot() {
        if (initiatorSuspended) {
            return function.save();
        }
        function.suspend();
        try {
            return function.save();
        } finally {
            function.resume();
        }
    }

    private void forgetSaved() {
        saved = NOTHING;
        savedImages = 0;
    }

    private void forgetLoaded() {
        loaded = NOTHING;
        loadedImages = 0;
    }

    private void require(boolean holds, String what) {
        if (!holds) {
            throw new ErrnoException(EINVAL, "VHCA " + id + ": " + what);
        }
    }
}
