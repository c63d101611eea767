package org.vfio4j.cli.text;

import java.io.PrintWriter;
import java.util.Locale;

/** A bar that fills while work is done: on a terminal only, and gone when the work is. Drawn ten times a second at most. */
public final class Progress implements AutoCloseable {

    private static final int WIDTH = 32;
    private static final long INTERVAL_NS = 100_000_000;

    private final PrintWriter err;
    private final boolean shown;
    private final String what;
    private final long total;
    private long drawnNs;

    public Progress(PrintWriter err, String what, long total) {
        this.err = err;
        this.what = what;
        this.total = total;
        // Standard error is what matters, and a console is there only when all of them are terminals.
        shown = System.console() != null && System.console().isTerminal();
        drawnNs = System.nanoTime() - INTERVAL_NS;
    }

    /** @param done of the total */
    public void at(long done) {
        if (!shown || System.nanoTime() - drawnNs < INTERVAL_NS) {
            return;
        }
        drawnNs = System.nanoTime();
        int filled = (int) (WIDTH * done / total);
        err.print(String.format(
                Locale.ROOT,
                "\r%-16s [%s%s] %3d %%",
                what,
                "#".repeat(filled),
                "-".repeat(WIDTH - filled),
                100 * done / total));
        err.flush();
    }

    @Override
    public void close() {
        if (shown) {
            err.print("\r\u001b[K");
            err.flush();
        }
    }
}
