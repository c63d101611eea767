package org.vfio4j.bluefield;

import static org.vfio4j.sys.Errno.EINVAL;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.mlx5.Mlx5Caps;
import org.vfio4j.mlx5.Mlx5Firmware;
import org.vfio4j.mlx5.PageTrackRange;
import org.vfio4j.mlx5.ScalableFunction;
import org.vfio4j.mlx5.SfCaps;
import org.vfio4j.mlx5.SfRequest;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.mlx5.SnapListener;
import org.vfio4j.mlx5.VhcaMigrationState;
import org.vfio4j.mlx5.VhcaSide;
import org.vfio4j.sys.ErrnoException;

/** The DPU's firmware as one of its network functions reaches it. Safe for all threads; its tables are under this object's lock. */
final class PfFirmware implements Mlx5Firmware {

    /** Pages of 4 KiB to 1 GiB; more ranges are merged by the driver. */
    private static final Mlx5Caps CAPS = new Mlx5Caps(true, true, true, 16, 12, 30);

    private record Tracking(Vhca vhca, PageTracker tracker) {}

    /** A virtual function: the VHCA of its physical one, and which it is. */
    private record Virtual(int physical, int index) {}

    private final Map<Integer, Vhca> vhcas = new TreeMap<>();
    private final Map<Integer, SnapFunction> emulated = new TreeMap<>();
    private final Map<Virtual, Vhca> virtuals = new HashMap<>();
    private final Map<Integer, Tracking> trackers = new TreeMap<>();
    private final List<SnapListener> listeners = new ArrayList<>();
    private final Map<Integer, ScalableDisk> scalable = new TreeMap<>();
    private final Map<String, ScalableDisk> scalableByName = new HashMap<>();
    private final VhcaIds ids;
    private final SfOptions sf;
    private int nextTracker = 1;

    /**
     * @param ids of all VHCAs of the DPU
     * @param sf what this function has for scalable ones
     */
    PfFirmware(VhcaIds ids, SfOptions sf) {
        this.ids = ids;
        this.sf = sf;
    }

    /** A function is there. Returns who has to hear of it. */
    synchronized List<SnapListener> add(SnapFunction snap, Vhca vhca) {
        vhcas.put(vhca.id(), vhca);
        emulated.put(vhca.id(), snap);
        return List.copyOf(listeners);
    }

    /** A virtual function of one is there. */
    synchronized void addVirtual(int physical, int index, Vhca vhca) {
        vhcas.put(vhca.id(), vhca);
        virtuals.put(new Virtual(physical, index), vhca);
    }

    /** A function is gone, and its virtual ones. */
    synchronized void remove(Vhca vhca) {
        emulated.remove(vhca.id());
        forget(vhca);
        virtuals.entrySet().removeIf(virtual -> {
            boolean isIts = virtual.getKey().physical() == vhca.id();
            if (isIts) {
                forget(virtual.getValue());
            }
            return isIts;
        });
    }

    private void forget(Vhca vhca) {
        vhcas.remove(vhca.id());
        ids.giveBack(vhca.id());
    }

    /** Ends the scalable functions that are left. The network function is unplugged, and nobody uses them. */
    void close() {
        List<Integer> left;
        synchronized (this) {
            left = List.copyOf(scalable.keySet());
        }
        left.forEach(this::deallocSf);
    }

    synchronized List<SnapListener> listeners() {
        return List.copyOf(listeners);
    }

    @Override
    public Mlx5Caps caps() {
        return CAPS;
    }

    @Override
    public void suspendVhca(int vhcaId, VhcaSide side) {
        vhca(vhcaId).suspend(side);
    }

    @Override
    public void resumeVhca(int vhcaId, VhcaSide side) {
        vhca(vhcaId).resume(side);
    }

    @Override
    public VhcaMigrationState queryVhcaMigrationState(int vhcaId, boolean incremental) {
        return vhca(vhcaId).query(incremental);
    }

    @Override
    public byte[] saveVhcaState(int vhcaId, boolean incremental, boolean setTrack) {
        return vhca(vhcaId).save(incremental, setTrack);
    }

    @Override
    public void loadVhcaState(int vhcaId, byte[] image) {
        vhca(vhcaId).load(image);
    }

    @Override
    public int createPageTracker(int vhcaId, List<PageTrackRange> ranges, int logPageSize) {
        if (ranges.isEmpty()
                || ranges.size() > CAPS.pgTrackMaxNumRange()
                || logPageSize < CAPS.pgTrackLogMinPageSize()
                || logPageSize > CAPS.pgTrackLogMaxPageSize()) {
            throw new ErrnoException(
                    EINVAL,
                    "create page tracker: " + ranges.size() + " ranges, log_page_size " + logPageSize
                            + ": the limits are " + CAPS);
        }
        Vhca vhca = vhca(vhcaId);
        PageTracker begun = vhca.track(ranges, logPageSize);
        synchronized (this) {
            int number = nextTracker++;
            trackers.put(number, new Tracking(vhca, begun));
            return number;
        }
    }

    @Override
    public void reportPageTracker(int tracker, long iova, long last, LongConsumer dirtyPage) {
        tracking(tracker).tracker().report(iova, last, dirtyPage);
    }

    @Override
    public void destroyPageTracker(int tracker) {
        Tracking ending = tracking(tracker);
        ending.vhca().stopTracking(ending.tracker());
        synchronized (this) {
            trackers.remove(tracker);
        }
    }

    @Override
    public SfCaps sfCaps() {
        return sf.caps();
    }

    @Override
    public ScalableFunction allocSf(SfRequest request) {
        int id = ids.take();
        boolean made = false;
        try {
            BlockBackend storage = sf.storage().open(request.name(), request.sizeBytes());
            ScalableDisk disk = ScalableDisk.of(request, id, storage);
            synchronized (this) {
                scalable.put(id, disk);
                scalableByName.put(request.name(), disk);
                vhcas.put(id, disk.vhca());
            }
            made = true;
            return disk.function();
        } finally {
            if (!made) {
                ids.giveBack(id);
            }
        }
    }

    @Override
    public void deallocSf(int vhcaId) {
        ScalableDisk ending;
        synchronized (this) {
            ending = scalable.remove(vhcaId);
            if (ending != null) {
                scalableByName.remove(ending.name(), ending);
            }
        }
        if (ending == null) {
            throw new ErrnoException(EINVAL, "deallocate SF: VHCA " + vhcaId + " is none");
        }
        ending.close();
        remove(ending.vhca());
    }

    /** What the scalable function of a name is made of; empty when there is none. */
    synchronized Optional<ScalableParts> scalable(String name) {
        return Optional.ofNullable(scalableByName.get(name)).map(ScalableDisk::parts);
    }

    @Override
    public synchronized List<SnapFunction> subscribe(SnapListener listener) {
        listeners.add(listener);
        return List.copyOf(emulated.values());
    }

    @Override
    public synchronized int virtualVhcaId(int vhcaId, int index) {
        Vhca found = virtuals.get(new Virtual(vhcaId, index));
        if (found == null) {
            throw new ErrnoException(EINVAL, "VHCA " + vhcaId + ": it has no virtual function " + index);
        }
        return found.id();
    }

    @Override
    public synchronized void unsubscribe(SnapListener listener) {
        listeners.remove(listener);
    }

    private synchronized Vhca vhca(int vhcaId) {
        Vhca found = vhcas.get(vhcaId);
        if (found == null) {
            throw new ErrnoException(EINVAL, "VHCA " + vhcaId + ": there is none");
        }
        return found;
    }

    private synchronized Tracking tracking(int tracker) {
        Tracking found = trackers.get(tracker);
        if (found == null) {
            throw new ErrnoException(EINVAL, "page tracker " + tracker + ": there is none");
        }
        return found;
    }
}
