package org.vfio4j.nvme;

import org.vfio4j.block.BlockBackend;

/** What the I/O path needs of a namespace. */
interface Namespace {

    /** Where its blocks are. Namespaces may share it. */
    BlockBackend backend();

    /** Where in the storage block 0 is, in bytes: a multiple of 4096. */
    long offset();

    /** Its size in logical blocks (NSZE). */
    long blocks();

    /** Of a logical block: 9 or 12. */
    int lbaShift();

    /** The driver may not write to it: the storage, or Namespace Write Protection, says so. */
    boolean isWriteProtected();

    /** 0, or the status of every I/O command to it, as {@link NvmeStatus#FORMAT_IN_PROGRESS}. */
    int notReady();
}
