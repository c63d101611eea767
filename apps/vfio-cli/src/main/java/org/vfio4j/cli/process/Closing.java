package org.vfio4j.cli.process;

/** Releases one thing after the other: what one fails with must not keep the next. */
public final class Closing {

    private Closing() {}

    public static void quietly(AutoCloseable resource) {
        try {
            resource.close();
        } catch (Exception e) {
            System.getLogger(Closing.class.getName()).log(System.Logger.Level.WARNING, "while closing", e);
        }
    }
}
