package org.vfio4j.nvme;

import java.util.function.Consumer;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MappingSet;

/** What a controller does with storage by itself, and waits for. Quiesced. */
final class OwnStorage {

    private final Controller controller;

    OwnStorage(Controller controller) {
        this.controller = controller;
    }

    /** Makes everything stable that was written. Returns whether that worked for all namespaces. */
    boolean flush() {
        int[] result = {0};
        withStorage(storage -> {
            Namespaces all = controller.handler().namespaces();
            for (int nsid = 1; nsid <= all.count(); nsid++) {
                Namespace namespace = all.active(nsid);
                if (namespace != null) {
                    storage.queue(namespace.backend()).flush(0);
                    storage.awaitAll((tag, answer) -> result[0] = Math.min(result[0], answer));
                }
            }
        });
        return result[0] == 0;
    }

    /** As {@link ControllerHooks#clear}, with nothing in flight. */
    int clear(BlockBackend backend, long offset, long length) {
        int[] result = {0};
        withStorage(storage -> {
            storage.queue(backend).writeZeroes(offset, length, true, 0);
            storage.awaitAll((tag, answer) -> result[0] = answer);
        });
        return result[0];
    }

    /** The only thread's storage; or when there is none, or another may be asking, some that lives as long as {@code task} runs. */
    private void withStorage(Consumer<Storage> task) {
        if (!controller.isShared() && controller.firstLane().isInUse()) {
            task.accept(controller.firstLane().openEngine().storage());
            return;
        }
        try (Fd own = EventFd.create();
                Storage storage = new Storage(1, own, () -> MappingSet.EMPTY)) {
            task.accept(storage);
        }
    }
}
