package org.vfio4j.bus;

/** A hold on a driver: it stays loaded until this is closed, as a kernel module does between try_module_get and module_put. */
public interface DriverReference extends AutoCloseable {

    /** Lets go. The second call does nothing. */
    @Override
    void close();
}
