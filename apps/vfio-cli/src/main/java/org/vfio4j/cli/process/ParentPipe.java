package org.vfio4j.cli.process;

import java.io.IOException;
import sun.misc.Signal;

/**
 * Ends a process with the one that has started it, however that one ends: its standard input is a pipe of the parent's, into which nobody writes.
 * At its end the process does what it does at SIGTERM.
 */
public final class ParentPipe {

    /** The JVM's option by which a parent says so. */
    public static final String OPTION = "-Dvfio4j.parent=stdin";

    private static final String PROPERTY = "vfio4j.parent";

    private ParentPipe() {}

    /** Watches the pipe, if there is one. */
    public static void watch() {
        if ("stdin".equals(System.getProperty(PROPERTY))) {
            Thread.ofPlatform().daemon().name("parent").start(() -> {
                awaitEnd();
                Signal.raise(new Signal("TERM"));
            });
        }
    }

    private static void awaitEnd() {
        try {
            while (System.in.read() >= 0) {
                // Nobody has anything to say.
            }
        } catch (IOException e) {
            System.getLogger(ParentPipe.class.getName()).log(System.Logger.Level.DEBUG, "its parent's pipe", e);
        }
    }
}
