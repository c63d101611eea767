package org.vfio4j.nvmedriver;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.vfio4j.sys.RawMemory;

/** A submission queue entry as a driver fills it (NVM Express Base 2.0, 3.3.3.1): eight words of 8 bytes. */
public final class NvmeCommand {

    public static final int SIZE = 64;

    // Admin opcodes.
    public static final int DELETE_SQ = 0x00;
    public static final int CREATE_SQ = 0x01;
    public static final int DELETE_CQ = 0x04;
    public static final int GET_LOG_PAGE = 0x02;
    public static final int CREATE_CQ = 0x05;
    public static final int IDENTIFY = 0x06;
    public static final int ABORT = 0x08;
    public static final int SET_FEATURES = 0x09;
    public static final int GET_FEATURES = 0x0a;
    public static final int ASYNC_EVENT = 0x0c;
    public static final int NAMESPACE_ATTACHMENT = 0x15;
    public static final int DOORBELL_BUFFER = 0x7c;
    public static final int FORMAT = 0x80;

    // I/O opcodes.
    public static final int FLUSH = 0x00;
    public static final int WRITE = 0x01;
    public static final int READ = 0x02;
    public static final int COMPARE = 0x05;
    public static final int WRITE_ZEROES = 0x08;
    public static final int DSM = 0x09;
    public static final int VERIFY = 0x0c;
    public static final int COPY = 0x19;

    /** In {@link #flags}: the data pointer is an SGL descriptor. */
    public static final int SGL = 1 << 14;

    private final int[] dwords = new int[SIZE / Integer.BYTES];

    public NvmeCommand(int opcode) {
        dwords[0] = opcode;
    }

    /** A read or a write of {@code blocks} blocks. */
    public static NvmeCommand io(int opcode, int nsid, long slba, int blocks) {
        return new NvmeCommand(opcode).nsid(nsid).slba(slba).cdw(12, blocks - 1);
    }

    public NvmeCommand flags(int bits) {
        dwords[0] |= bits;
        return this;
    }

    public NvmeCommand cid(int cid) {
        dwords[0] = (dwords[0] & 0xffff) | (cid << 16);
        return this;
    }

    public int cid() {
        return dwords[0] >>> 16;
    }

    public NvmeCommand nsid(int nsid) {
        dwords[1] = nsid;
        return this;
    }

    public NvmeCommand prp(long prp1, long prp2) {
        return put(6, prp1).put(8, prp2);
    }

    public NvmeCommand prp(long prp1) {
        return prp(prp1, 0);
    }

    /** An SGL descriptor in the command itself. */
    public NvmeCommand sgl(long address, int length, int identifier) {
        return flags(SGL).put(6, address).put(8, sglRest(length, identifier));
    }

    /** The second half of an SGL descriptor. */
    public static long sglRest(int length, int identifier) {
        return Integer.toUnsignedLong(length) | ((long) identifier << 56);
    }

    public NvmeCommand slba(long slba) {
        return put(10, slba);
    }

    public NvmeCommand cdw(int n, int value) {
        dwords[n] = value;
        return this;
    }

    /** The entry's bytes. */
    public byte[] toBytes() {
        ByteBuffer bytes = ByteBuffer.allocate(SIZE).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(dwords);
        return bytes.array();
    }

    void store(long host) {
        for (int i = 0; i < dwords.length; i++) {
            RawMemory.putInt(host + (long) Integer.BYTES * i, dwords[i]);
        }
    }

    private NvmeCommand put(int dword, long value) {
        dwords[dword] = (int) value;
        dwords[dword + 1] = (int) (value >>> 32);
        return this;
    }
}
