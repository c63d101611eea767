package org.vfio4j.userspace.nvme;

import static org.vfio4j.sys.Errno.ENOTSUP;
import static org.vfio4j.userspace.nvme.NvmeNumbers.*;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.vfio4j.sys.ErrnoException;

/**
 * What a controller says of itself (NVM Express Base 2.0, figure 275).
 *
 * @param serialNumber SN, without the spaces around it
 * @param modelNumber MN
 * @param firmwareRevision FR
 * @param mdts the most data of a command, as a power of two of the memory page; 0 for no limit
 * @param oacs optional admin commands, a bit mask
 * @param oncs optional I/O commands, a bit mask
 * @param volatileWriteCache whether a write may be lost until a flush
 */
public record NvmeInfo(
        String serialNumber,
        String modelNumber,
        String firmwareRevision,
        int mdts,
        int oacs,
        int oncs,
        boolean volatileWriteCache) {

    private static final int NIBBLE = 0xf;

    /** @throws ErrnoException ENOTSUP for a controller whose queue entries have other sizes */
    static NvmeInfo read(ByteBuffer data) {
        checkEntrySize("submission", data.get(ID_CTRL_SQES), SQE_SIZE_SHIFT);
        checkEntrySize("completion", data.get(ID_CTRL_CQES), CQE_SIZE_SHIFT);
        return new NvmeInfo(
                text(data, ID_CTRL_SN, ID_CTRL_SN_BYTES),
                text(data, ID_CTRL_MN, ID_CTRL_MN_BYTES),
                text(data, ID_CTRL_FR, ID_CTRL_FR_BYTES),
                data.get(ID_CTRL_MDTS) & 0xff,
                data.getShort(ID_CTRL_OACS) & 0xffff,
                data.getShort(ID_CTRL_ONCS) & 0xffff,
                (data.get(ID_CTRL_VWC) & VWC_PRESENT) != 0);
    }

    /** Whether it has an optional I/O command. */
    boolean offers(int oncsBit) {
        return (oncs & oncsBit) != 0;
    }

    private static void checkEntrySize(String what, int sizes, int needed) {
        int least = sizes & NIBBLE;
        int most = sizes >>> 4 & NIBBLE;
        if (least > needed || most < needed) {
            throw new ErrnoException(
                    ENOTSUP,
                    "NVMe " + what + " queue entries of 2^" + least + " to 2^" + most + " bytes: 2^" + needed
                            + " are needed");
        }
    }

    /** Whatever is no printable ASCII is shown as a question mark: it ends up in terminals. */
    private static String text(ByteBuffer data, int at, int length) {
        byte[] bytes = new byte[length];
        data.get(at, bytes);
        for (int i = 0; i < length; i++) {
            if (bytes[i] == 0) {
                bytes[i] = ' ';
            } else if (bytes[i] < ' ' || bytes[i] > '~') {
                bytes[i] = '?';
            }
        }
        return new String(bytes, StandardCharsets.US_ASCII).strip();
    }
}
