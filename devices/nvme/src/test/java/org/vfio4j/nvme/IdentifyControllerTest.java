package org.vfio4j.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.sys.ErrnoException;

/** Base 5.17.2.1: the Identify Controller data structure. Offsets are those of libnvme's {@code struct nvme_id_ctrl}. */
class IdentifyControllerTest {

    private final AdminFixture nvme = new AdminFixture();

    @BeforeEach
    void identifies() {
        assertEquals(0, nvme.run(NvmeSpec.IDENTIFY, 0, 1));
    }

    @AfterEach
    void close() {
        nvme.close();
    }

    @Test
    void refusesNamesThatDoNotFit() {
        assertThrows(ErrnoException.class, () -> new NvmeIdentity(0x1_0000, 0, 0, 0, "x", "m", "1", "nqn"));
        assertThrows(ErrnoException.class, () -> NvmeIdentity.of(""));
        assertThrows(ErrnoException.class, () -> NvmeIdentity.of("x".repeat(21)));
        assertThrows(ErrnoException.class, () -> NvmeIdentity.of("\u00fc"));
    }

    @ParameterizedTest
    @CsvSource({
        "vid, 0, 2, 0x1234",
        "ssvid, 2, 2, 0x5678",
        "rab, 72, 1, 6",
        "ieee, 73, 2, 0xcdef",
        "ieee, 75, 1, 0xab",
        "cmic, 76, 1, 0",
        "mdts, 77, 1, 7",
        "cntlid, 78, 2, 7",
        "ver, 80, 4, 0x20000",
        "rtd3r, 84, 4, 500000",
        "rtd3e, 88, 4, 10000000",
        "oaes, 92, 4, 0x100",
        "ctratt, 96, 4, 0",
        "cntrltype, 111, 1, 1",
        "nvmsr, 253, 1, 1",
        "oacs, 256, 2, 0x10a",
        "acl, 258, 1, 3",
        "aerl, 259, 1, 15",
        "frmw, 260, 1, 3",
        "lpa, 261, 1, 0x26",
        "elpe, 262, 1, 63",
        "npss, 263, 1, 0",
        "wctemp, 266, 2, 343",
        "cctemp, 268, 2, 358",
        "tnvmcap, 280, 8, 0x400000",
        "unvmcap, 296, 8, 0",
        "kas, 320, 2, 0",
        "sanicap, 328, 4, 0",
        "sqes, 512, 1, 0x66",
        "cqes, 513, 1, 0x44",
        "maxcmd, 514, 2, 4096",
        "nn, 516, 4, 4",
        "oncs, 520, 2, 0x1dd",
        "fuses, 522, 2, 0",
        "fna, 524, 1, 8",
        "vwc, 525, 1, 7",
        "nwpc, 531, 1, 1",
        "ocfs, 534, 2, 1",
        "sgls, 536, 4, 1",
        "mnan, 540, 4, 0",
    })
    void says(String name, int offset, int width, String value) {
        long actual = switch (width) {
            case 1 -> nvme.u8(offset);
            case 2 -> nvme.u16(offset);
            case 4 -> nvme.i32(offset);
            default -> nvme.i64(offset);
        };
        assertEquals(Long.decode(value), actual, name);
    }

    @Test
    void padsNamesWithSpaces() {
        assertEquals("SN-1                ", nvme.text(4, 20));
        assertEquals("A model".concat(" ".repeat(33)), nvme.text(24, 40));
        assertEquals("2.5     ", nvme.text(64, 8));
    }

    @Test
    void endsTheNqnWithZeroes() {
        assertEquals("nqn.2014-08.org.example:one\0", nvme.text(768, 28));
    }

    @Test
    void hasOnePowerStateOfWhichItReportsNothing() {
        assertArrayEquals(new byte[32 * 32], nvme.bytes(2048, 32 * 32));
    }

    @Test
    void namesTheSameSubsystemForTheSameSerial() {
        assertEquals(NvmeIdentity.of("a").subnqn(), NvmeIdentity.of("a").subnqn());
    }
}
