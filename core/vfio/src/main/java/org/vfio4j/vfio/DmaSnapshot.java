package org.vfio4j.vfio;

/**
 * The maps of an IO address space at one moment.
 *
 * @param generation a number that no other moment of the space has
 */
record DmaSnapshot(long generation, DmaTree maps) {}
