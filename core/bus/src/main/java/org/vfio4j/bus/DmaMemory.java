package org.vfio4j.bus;

import org.vfio4j.sys.Fd;

/**
 * Where memory of a {@link DmaSpace} is, for whoever has to tell somebody else: the descriptor is its owner's, who may close it as soon as
 * the call that it was given to has returned.
 *
 * @param fd the memory
 * @param offset where in it the first byte is
 */
public record DmaMemory(Fd fd, long offset) {}
