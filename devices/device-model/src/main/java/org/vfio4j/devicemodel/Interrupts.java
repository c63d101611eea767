package org.vfio4j.devicemodel;

import org.vfio4j.bus.IrqSink;

/**
 * A function's interrupt pins and messages. The function's thread connects and enables; the device raises from any thread.
 *
 * <p>The device asks {@link #msixEnabled} or {@link #msiEnabled} and sends a message, or else drives its INTx level.
 */
public final class Interrupts {

    private volatile IrqSink sink = IrqSink.NONE;
    private volatile boolean msiEnabled;
    private volatile boolean msixEnabled;

    // The level and whether it may leave the function (PCI_COMMAND_INTX_DISABLE), under this object's lock.
    private boolean asserted;
    private boolean disabled;

    Interrupts() {}

    public boolean msiEnabled() {
        return msiEnabled;
    }

    public boolean msixEnabled() {
        return msixEnabled;
    }

    /** Sends message {@code vector}; see {@link IrqSink#msi}. */
    public void message(int vector) {
        sink.msi(vector);
    }

    /** Reports an error that only the user can mend; see {@link IrqSink#error}. */
    public void error() {
        sink.error();
    }

    /** Sets the level that the device has on its INTx pin. */
    public synchronized void intx(boolean level) {
        if (asserted != level) {
            asserted = level;
            drive();
        }
    }

    /** The interrupt status bit of {@code PCI_STATUS}, which does not depend on whether INTx is disabled. */
    synchronized boolean intxStatus() {
        return asserted;
    }

    synchronized void connect(IrqSink to) {
        sink = to;
        drive();
    }

    synchronized void disableIntx(boolean disable) {
        if (disabled != disable) {
            disabled = disable;
            drive();
        }
    }

    void enableMsi(boolean enable) {
        msiEnabled = enable;
    }

    void enableMsix(boolean enable) {
        msixEnabled = enable;
    }

    private void drive() {
        sink.intx(asserted && !disabled);
    }
}
