package org.vfio4j.it;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/** Boot sectors for a PC's firmware that print one line on the first serial port and halt. */
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

    /** Where {@link #LOADER} puts what it reads: whole pages. */
    private static final int LOADED_AT = 0x8000;

    /** Has the firmware read, by its INT 13h function 42h, what the packet behind it says; and goes on as {@link #CODE} does. */
    private static final byte[] LOADER = HexFormat.ofDelimiter(" ")
            .parseHex(
                    "31 c0" // xor ax, ax
                            + " 8e d8" // mov ds, ax
                            + " 8e d0" // mov ss, ax
                            + " bc 00 7c" // mov sp, 0x7c00
                            + " fc" // cld
                            + " be 30 7c" // mov si, packet
                            + " b4 42" // mov ah, 0x42
                            + " cd 13" // int 0x13
                            + " 72 1a" // jc done
                            + " be 00 00" // mov si, text: put in by loading()
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

    private static final int LOADER_TEXT = 0x14;
    private static final short PACKET_BYTES = 16;

    private BootSector() {}

    /**
     * Loads up to 64 sectors and prints what the last of them begins with.
     *
     * @param lba the first of them
     */
    static byte[] loading(long lba, int sectors) {
        ByteBuffer sector = ByteBuffer.allocate(SIZE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        sector.put(LOADER).putShort(LOADER_TEXT, (short) (LOADED_AT + (sectors - 1) * SIZE_BYTES));
        sector.putShort(PACKET_BYTES).putShort((short) sectors).putShort((short) LOADED_AT);
        sector.putShort((short) 0).putLong(lba);
        return sector.put(SIGNATURE_OFFSET, SIGNATURE).array();
    }

    /** What {@link #loading} is to find. */
    static byte[] line(String text) {
        return (text + "\r\n\0").getBytes(StandardCharsets.US_ASCII);
    }

    static byte[] printing(String text) {
        ByteBuffer sector = ByteBuffer.allocate(SIZE_BYTES);
        sector.put(CODE).put(line(text));
        return sector.put(SIGNATURE_OFFSET, SIGNATURE).array();
    }
}
