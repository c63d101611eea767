package org.vfio4j.cli.text;

import java.io.PrintWriter;

/** A line that says how far something is: on a terminal only, and gone when it is done. */
public final class ProgressLine implements AutoCloseable {

    private final PrintWriter err;
    private final boolean shown;

    public ProgressLine(PrintWriter err) {
        this.err = err;
        // Standard error is what matters, and a console is there only when all of them are terminals.
        shown = System.console() != null && System.console().isTerminal();
    }

    public void show(String text) {
        if (shown) {
            err.print("\r\u001b[K" + text);
            err.flush();
        }
    }

    @Override
    public void close() {
        show("");
    }
}
