package org.vfio4j.devicemodel;

/** What a protocol's opcodes and statuses mean to whoever counts its commands. */
public interface CommandSet {

    CommandKind kind(int opcode);

    /** What the protocol calls it, as {@code VIRTIO_BLK_T_IN}. */
    String name(int opcode);

    /** Whether its commands are at a place on the storage. */
    boolean isPlaced(int opcode);

    /** Whether a status is success. */
    boolean worked(int status);
}
