package org.vfio4j.testkit;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.logging.Logger;

/** A log that is as slow as logs can be: whoever writes a line to it waits until this is closed. */
public final class StuckLog implements AutoCloseable {

    private static final long LIMIT_S = 10;

    private final Logger log;
    private final CountDownLatch writing = new CountDownLatch(1);
    private final CountDownLatch closed = new CountDownLatch(1);

    /** @param name of the logger */
    public StuckLog(String name) {
        log = Logger.getLogger(name);
        log.setFilter(line -> {
            writing.countDown();
            await(closed, "a stuck log was not closed");
            return false;
        });
    }

    /** Waits until somebody writes a line. */
    public void awaitLine() {
        await(writing, "nothing was logged");
    }

    @Override
    public void close() {
        closed.countDown();
        log.setFilter(null);
    }

    private static void await(CountDownLatch latch, String otherwise) {
        try {
            if (!latch.await(LIMIT_S, TimeUnit.SECONDS)) {
                throw new AssertionError(otherwise + " within " + LIMIT_S + " s");
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
