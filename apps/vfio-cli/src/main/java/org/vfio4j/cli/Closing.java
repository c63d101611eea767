package org.vfio4j.cli;

/** Releases one thing after the other: what one fails with must not keep the next. */
final class Closing {

    private Closing() {}

    static void quietly(AutoCloseable resource) {
        try {
            resource.close();
        } catch (Exception e) {
            System.getLogger(Closing.class.getName()).log(System.Logger.Level.WARNING, "while closing", e);
        }
    }
}
