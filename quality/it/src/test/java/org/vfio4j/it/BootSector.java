package org.vfio4j.it;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** A boot sector for a PC's firmware that prints one line on the first serial port and halts. */
final class BootSector {

    private static final int SIZE_BYTES = 512;
    private static final int SIGNATURE_OFFSET = 510;
    private static final byte[] SIGNATURE = {0x55, (byte) 0xAA};

    /** Loaded at 0x7C00; the text follows it. */
    private static final byte[] CODE = HexFormat.ofDelimiter(" ")
            .parseHex(
                    "fa" // cli
                            + " 31 c0" // xor ax, ax
                            + " 8e d8" // mov ds, ax
                            + " fc" // cld
                            + " be 23 7c" // mov si, text
                            + " ac" // next: lodsb
                            + " 84 c0" // test al, al
                            + " 74 12" // jz done
                            + " 88 c4" // mov ah, al
                            + " ba fd 03" // mov dx, 0x3fd: line status
                            + " ec" // wait: in al, dx
                            + " a8 20" // test al, 0x20: may send
                            + " 74 fb" // jz wait
                            + " ba f8 03" // mov dx, 0x3f8: data
                            + " 88 e0" // mov al, ah
                            + " ee" // out dx, al
                            + " eb e9" // jmp next
                            + " f4" // done: hlt
                            + " eb fd"); // jmp done

    private BootSector() {}

    static byte[] printing(String text) {
        ByteBuffer sector = ByteBuffer.allocate(SIZE_BYTES);
        sector.put(CODE).put((text + "\r\n\0").getBytes(StandardCharsets.US_ASCII));
        return sector.put(SIGNATURE_OFFSET, SIGNATURE).array();
    }
}
