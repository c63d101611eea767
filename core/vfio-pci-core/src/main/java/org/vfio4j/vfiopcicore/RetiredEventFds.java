package org.vfio4j.vfiopcicore;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.IoAddressSpace;

/**
 * Descriptors of messages that go elsewhere now, or nowhere. A queue thread may have read one and be about to signal it, which it does with
 * its window online: they stay open until no window is. To wait for that would be to wait for storage, for as long as it likes, with a
 * hypervisor that does nothing else meanwhile; only a user that has left many behind waits. Used by the user's thread.
 */
final class RetiredEventFds {

    /** What a driver leaves that resets a function of 65 vectors twice: each is replaced and then turned off. */
    static final int MOST = 512;

    private final List<Fd> open = new ArrayList<>();

    /** @param space whose windows the firing threads stand in; null when there is none */
    void add(List<Fd> old, @Nullable IoAddressSpace space) {
        open.addAll(old);
        if (space == null || space.isQuiet()) {
            close();
        } else if (open.size() > MOST) {
            space.synchronize();
            close();
        }
    }

    /** No window is online. */
    void close() {
        open.forEach(Fd::close);
        open.clear();
    }
}
