package org.vfio4j.nvmedriver;

/**
 * A completion queue entry (NVM Express Base 2.0, 3.3.3.2).
 *
 * @param dw0 what the command returns
 * @param sqhd the head of the submission queue
 * @param sqid the submission queue
 * @param cid the command
 * @param status its status, the phase tag left out
 */
public record NvmeCompletion(int dw0, int sqhd, int sqid, int cid, int status) {

    /** Status code type and status code: without More and Do Not Retry. */
    public int code() {
        return status & 0x7ff;
    }

    public boolean doNotRetry() {
        return (status & (1 << 14)) != 0;
    }
}
