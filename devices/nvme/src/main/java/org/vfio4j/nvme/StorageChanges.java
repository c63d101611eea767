package org.vfio4j.nvme;

import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.devicemodel.QueueThreads;
import org.vfio4j.sys.ErrnoException;

/** Which storage a controller's namespaces have. From any thread but those of its queues. */
final class StorageChanges {

    /** How long storage that was replaced is left to queue threads that have their queues' work to do as well. */
    private static final long RELEASE_WAIT_NS = 100_000_000;

    private final Controller controller;
    private final QueueThreads threads;

    StorageChanges(Controller controller, QueueThreads threads) {
        this.controller = controller;
        this.threads = threads;
    }

    /** See {@link Nvme#setStorage}. */
    void set(int nsid, BlockBackend backend) {
        change(() -> controller.handler().setStorage(nsid, backend));
        awaitRelease();
    }

    /** See {@link Nvme#resize}. */
    void resize(int nsid, long sizeBytes) {
        change(() -> controller.handler().resize(nsid, sizeBytes));
    }

    /** What the namespaces stand on now. */
    List<BlockBackend> all() {
        AtomicReference<List<BlockBackend>> found = new AtomicReference<>(List.of());
        threads.callQuiesced(() -> found.set(controller.handler().storages()));
        return found.get();
    }

    /** Each queue thread closes what stands on the old storage; those that do not look have it closed. */
    private void awaitRelease() {
        long deadline = System.nanoTime() + RELEASE_WAIT_NS;
        while (controller.isReleasing() && controller.isRunning() && System.nanoTime() < deadline) {
            LockSupport.parkNanos(RELEASE_WAIT_NS / 1000);
        }
        if (controller.isReleasing()) {
            threads.callQuiesced(controller::closeReleased);
        }
    }

    private void change(Runnable what) {
        AtomicReference<@Nullable ErrnoException> refused = new AtomicReference<>();
        threads.callQuiesced(() -> {
            try {
                what.run();
            } catch (ErrnoException e) {
                refused.set(e);
            }
        });
        ErrnoException e = refused.get();
        if (e != null) {
            throw e;
        }
    }
}
