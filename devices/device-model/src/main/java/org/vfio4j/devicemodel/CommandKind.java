package org.vfio4j.devicemodel;

/** What a command asks of storage, whatever its protocol calls it. */
public enum CommandKind {
    READ,
    WRITE,
    FLUSH,
    /** Gives space back, or makes zeroes of it. */
    DISCARD,
    /** Anything else: identification, administration, what is not known. */
    OTHER
}
