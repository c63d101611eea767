package org.vfio4j.devicemodel;

import java.util.List;
import java.util.function.IntFunction;

/**
 * A capability behind the first 256 bytes of configuration space; the function places it and chains it to the next.
 *
 * @param id {@code PCI_EXT_CAP_ID_*}
 * @param sizeBytes all of it, with the four bytes of its header
 * @param body its registers behind these four, for the offset at which it is placed
 */
record ExtendedCapability(int id, int sizeBytes, IntFunction<List<Register>> body) {}
