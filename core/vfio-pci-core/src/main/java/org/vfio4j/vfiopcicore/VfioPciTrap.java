package org.vfio4j.vfiopcicore;

/** A trapped range of a region, made by {@link VfioPciCore#trap}, until it is closed. Safe for all threads. */
public final class VfioPciTrap implements AutoCloseable {

    private final Traps traps;
    private final int region;
    private final long offset;
    private final long end;
    private final VfioPciTrapHandler handler;

    VfioPciTrap(Traps traps, int region, long offset, long sizeBytes, VfioPciTrapHandler handler) {
        this.traps = traps;
        this.region = region;
        this.offset = offset;
        this.end = offset + sizeBytes;
        this.handler = handler;
    }

    public int region() {
        return region;
    }

    public long offset() {
        return offset;
    }

    public long sizeBytes() {
        return end - offset;
    }

    /**
     * Takes the trap away, which gives its pages back to users. Accesses that begin afterwards do not see it; one that is under
     * way on another thread may still call the handler. Closing it again does nothing.
     */
    @Override
    public void close() {
        traps.remove(this);
    }

    long end() {
        return end;
    }

    VfioPciTrapHandler handler() {
        return handler;
    }
}
