package org.vfio4j.bus;

import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.Consumer;

/**
 * The thread that writes configuration spaces to files, for a {@link SysfsView}: whoever writes to a function's registers, a server's
 * event loop among others, waits for no file system. A space that changes often is written once for many changes.
 */
final class ConfigRefresher implements AutoCloseable {

    private final LinkedBlockingQueue<PciDevice> stale = new LinkedBlockingQueue<>();
    private final Consumer<PciDevice> refresh;
    private final Thread thread;
    private volatile boolean closing;

    /** @param refresh writes a device's space, if it is shown still */
    ConfigRefresher(Consumer<PciDevice> refresh) {
        this.refresh = refresh;
        thread = Thread.ofPlatform().daemon().name("sysfs-view").start(this::run);
    }

    /** Has a device's space written soon. Any thread; does not wait. */
    void add(PciDevice device) {
        stale.add(device);
    }

    /** Ends the thread; what is owed still is not written. */
    @Override
    public void close() {
        closing = true;
        thread.interrupt();
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        while (!closing) {
            try {
                refresh.accept(stale.take());
            } catch (InterruptedException e) {
                // By close.
            }
        }
    }
}
