package org.vfio4j.fuzz;

import java.util.List;

/**
 * Something that decodes what strangers send, with everything that is behind it in use. Used by one thread.
 *
 * <p>A new target is a class that implements this and a line in {@link Targets}.
 */
interface FuzzTarget extends AutoCloseable {

    /** Right inputs, to make wrong ones of. */
    List<byte[]> corpus();

    /** How wrong ones are made. */
    default Mutator mutator() {
        return Mutator.BYTES;
    }

    /**
     * Decodes {@code input}. Refusing it with an errno is right; whatever is thrown from here is a defect.
     *
     * @return a number for what came of it: an input for which that is new is mutated further
     */
    long run(byte[] input);

    /** Throws when it no longer does what it is for. */
    void checkWorks();

    @Override
    void close();
}
