package org.vfio4j.vfiouser;

import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_MASK;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_UNMASK;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_BOOL;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioIrqSet;

/**
 * The interrupts of a client as it has set them up: what a server that takes over has to set up again. Belongs to the connection's
 * owner.
 */
final class ClientIrqs implements AutoCloseable {

    /** One interrupt index: which vector signals what, what unmasks vector 0, and which vectors the client has masked. */
    private static final class Index {

        final TreeMap<Integer, Fd> triggers = new TreeMap<>();
        final BitSet masked = new BitSet();

        @Nullable
        Fd unmask;

        private void close() {
            triggers.values().forEach(Fd::close);
            triggers.clear();
            setUnmask(null);
            masked.clear();
        }

        private void setUnmask(@Nullable Fd fd) {
            Fd old = unmask;
            unmask = fd;
            if (old != null) {
                old.close();
            }
        }
    }

    private final TreeMap<Integer, Index> indices = new TreeMap<>();

    /** Descriptors of a request that is about to be handed on, for {@link #done} if it succeeds. */
    static List<Fd> copies(VfioIrqSet set) {
        List<Fd> copies = new ArrayList<>(set.eventFds().size());
        try {
            for (Fd fd : set.eventFds()) {
                copies.add(fd.dup());
            }
            return copies;
        } catch (RuntimeException e) {
            copies.forEach(Fd::close);
            throw e;
        }
    }

    /**
     * A request has been carried out.
     *
     * @param set it; its descriptors are somebody else's now
     * @param copies of its descriptors, owned by this object from now on
     */
    void done(VfioIrqSet set, List<Fd> copies) {
        Index index = indices.computeIfAbsent(set.index(), any -> new Index());
        boolean eventFd = (set.flags() & VFIO_IRQ_SET_DATA_EVENTFD) != 0;
        if (set.count() == 0) {
            index.close();
        } else if (eventFd && (set.flags() & VFIO_IRQ_SET_ACTION_TRIGGER) != 0) {
            assign(index, set, copies);
        } else if (eventFd && (set.flags() & VFIO_IRQ_SET_ACTION_UNMASK) != 0) {
            index.setUnmask(copies.isEmpty() ? null : copies.getFirst());
            copies.stream().skip(1).forEach(Fd::close);
        } else {
            copies.forEach(Fd::close);
            mask(index, set);
        }
    }

    /** All of it, for another server; the descriptors stay this object's. */
    Map<Integer, ClientHandover.Irqs> handover() {
        Map<Integer, ClientHandover.Irqs> all = new TreeMap<>();
        indices.forEach((number, index) -> all.put(
                number,
                new ClientHandover.Irqs(
                        new TreeMap<>(index.triggers), Optional.ofNullable(index.unmask), index.masked)));
        return all;
    }

    @Override
    public void close() {
        indices.values().forEach(Index::close);
        indices.clear();
    }

    private static void assign(Index index, VfioIrqSet set, List<Fd> copies) {
        for (int i = 0; i < set.count(); i++) {
            Fd old = copies.isEmpty()
                    ? index.triggers.remove(set.start() + i)
                    : index.triggers.put(set.start() + i, copies.get(i));
            if (old != null) {
                old.close();
            }
        }
    }

    private static void mask(Index index, VfioIrqSet set) {
        boolean masks = (set.flags() & VFIO_IRQ_SET_ACTION_MASK) != 0;
        if (!masks && (set.flags() & VFIO_IRQ_SET_ACTION_UNMASK) == 0) {
            return;
        }
        for (int i = 0; i < set.count(); i++) {
            if ((set.flags() & VFIO_IRQ_SET_DATA_BOOL) == 0 || set.bools().get(i)) {
                index.masked.set(set.start() + i, masks);
            }
        }
    }
}
