package org.vfio4j.vfiopcis390;

import java.util.Optional;

/**
 * What an s390 machine's channel subsystem says of a PCI function, by call logical processor (CLP) and by error events: what
 * {@link org.vfio4j.bus.PciFunction#platform} has of a function there. Any thread calls.
 */
public interface ZpciData {

    /** The function itself. */
    ZpciFunction function();

    /** The group of functions that it belongs to. */
    ZpciGroup group();

    /** Its utility string, in EBCDIC; empty when it has none. */
    Optional<byte[]> utilityString();

    /** The path to it through the hardware, a byte for each segment. */
    byte[] functionPath();

    /**
     * Takes the oldest error event that nobody has taken: a content-code dependent field (CCDF), big-endian, of
     * {@link ZpciFunction#ccdfErrLength} bytes.
     */
    Optional<byte[]> takeError();
}
