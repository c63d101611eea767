package org.vfio4j.vfio;

import org.vfio4j.sys.MappingSet;

/**
 * The maps of an IO address space at one moment.
 *
 * @param generation a number that no other moment of the space has
 * @param large the mappings of large maps, as {@link org.vfio4j.bus.DmaWindow#mappings} has them
 */
record DmaSnapshot(long generation, DmaTree maps, MappingSet large) {}
