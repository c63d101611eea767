package org.vfio4j.devicemodel;

import java.nio.ByteBuffer;

/**
 * A piece of a function's state, see {@link StateRecords}.
 *
 * @param tag what it is
 * @param optional whether who does not know the tag may do without it
 * @param data little-endian
 */
public record StateRecord(int tag, boolean optional, ByteBuffer data) {}
