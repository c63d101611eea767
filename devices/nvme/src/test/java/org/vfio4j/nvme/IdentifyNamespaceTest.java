package org.vfio4j.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.vfio4j.nvme.NvmeSpec.IDENTIFY;
import static org.vfio4j.nvme.NvmeSpec.NSID_BROADCAST;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Base 5.17 and NVM Command Set 4.1.5: what Identify says of namespaces. Offsets are those of libnvme's structures. */
class IdentifyNamespaceTest {

    private static final byte[] ZEROES = new byte[4096];

    private final AdminFixture nvme = new AdminFixture();

    @AfterEach
    void close() {
        nvme.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {0x04, 0x09, 0x0f, 0x14, 0x15, 0x16, 0x17, 0x1d, 0x80, 0xff})
    void refusesStructuresThatItDoesNotHave(int cns) {
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND | NvmeStatus.DNR, nvme.runRaw(IDENTIFY, 1, cns));
    }

    @ParameterizedTest
    @CsvSource({
        "0x00, 0",
        "0x00, 5",
        "0x00, -2",
        "0x05, 0",
        "0x08, -1",
        "0x11, 0",
        "0x11, -1",
        "0x12, 5",
        "0x03, 3",
        "0x03, -1"
    })
    void refusesNamespacesThatThereCannotBe(String cns, int nsid) {
        assertEquals(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT, nvme.run(IDENTIFY, nsid, Integer.decode(cns)));
    }

    @ParameterizedTest
    @ValueSource(ints = {0x02, 0x07, 0x10, 0x1a})
    void refusesAListBehindTheLastNamespace(int cns) {
        assertEquals(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT, nvme.run(IDENTIFY, -1, cns));
        assertEquals(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT, nvme.run(IDENTIFY, -2, cns));
    }

    @ParameterizedTest
    @ValueSource(ints = {0x05, 0x06, 0x07, 0x1a, 0x1b})
    void refusesOtherCommandSets(int cns) {
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(IDENTIFY, 1, cns, 2 << 24));
        assertEquals(0, nvme.run(IDENTIFY, 1, cns, 0));
    }

    @ParameterizedTest
    @ValueSource(ints = {0x00, 0x05, 0x08, 0x11, 0x1b})
    void saysNothingOfANamespaceThatIsNotThere(int cns) {
        assertEquals(0, nvme.run(IDENTIFY, 3, cns));
        assertArrayEquals(ZEROES, nvme.bytes(0, 4096));
    }

    @ParameterizedTest
    @CsvSource({
        "nsze, 0, 8, 0x800",
        "ncap, 8, 8, 0x800",
        "nuse, 16, 8, 0x800",
        "nsfeat, 24, 1, 0x10",
        "nlbaf, 25, 1, 1",
        "flbas, 26, 1, 0",
        "mc, 27, 1, 0",
        "dpc, 28, 1, 0",
        "dps, 29, 1, 0",
        "nmic, 30, 1, 0",
        "rescap, 31, 1, 0",
        "fpi, 32, 1, 0x80",
        "dlfeat, 33, 1, 9",
        "nvmcap, 48, 8, 0x100000",
        "npwg, 64, 2, 7",
        "npwa, 66, 2, 7",
        "npdg, 68, 2, 7",
        "npda, 70, 2, 7",
        "nows, 72, 2, 0",
        "mssrl, 74, 2, 1024",
        "mcl, 76, 4, 8192",
        "msrc, 80, 1, 127",
        "nsattr, 99, 1, 0",
        "nguid, 104, 8, 0",
        "eui64, 120, 8, 0",
        "lbaf[0], 128, 4, 0x01090000",
        "lbaf[1], 132, 4, 0x000c0000",
        "lbaf[2], 136, 4, 0",
    })
    void says(String name, int offset, int width, String value) {
        assertEquals(0, nvme.run(IDENTIFY, 1, 0));
        long actual = switch (width) {
            case 1 -> nvme.u8(offset);
            case 2 -> nvme.u16(offset);
            case 4 -> nvme.i32(offset);
            default -> nvme.i64(offset);
        };
        assertEquals(Long.decode(value), actual, name);
    }

    @Test
    void countsInBlocksOfTheNamespacesFormat() {
        nvme.run(IDENTIFY, 2, 0);
        assertEquals(AdminFixture.SECOND_BYTES / 4096, nvme.i64(0));
        assertEquals(1, nvme.u8(26));
        assertEquals(0, nvme.u16(64));
    }

    @Test
    void givesIdentifiersInTheirOwnByteOrder() {
        nvme.run(IDENTIFY, 2, 0);
        assertArrayEquals(new byte[] {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, nvme.bytes(104, 16));
        assertArrayEquals(new byte[] {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, (byte) 0x88}, nvme.bytes(120, 8));
    }

    @Test
    void saysWhatAllNamespacesHaveInCommon() {
        assertEquals(0, nvme.run(IDENTIFY, NSID_BROADCAST, 0));
        assertEquals(0, nvme.i64(0));
        assertEquals(1, nvme.u8(25));
        assertEquals(0x0109_0000, nvme.i32(128));
    }

    @Test
    void listsDescriptorsOfEveryKind() {
        assertEquals(0, nvme.run(IDENTIFY, 2, 3));
        assertEquals(0x0801, nvme.i32(0));
        assertEquals(0x11, nvme.u8(4));
        assertEquals(0x1002, nvme.i32(12));
        assertEquals(0x0f, nvme.u8(16));
        assertEquals(0x1003, nvme.i32(32));
        assertArrayEquals(new byte[] {0, 0x11, 0x22, 0x33}, nvme.bytes(36, 4));
        assertEquals(0x0104, nvme.i32(52));
        assertEquals(0, nvme.u8(56));
        assertEquals(0, nvme.i32(57));
    }

    @Test
    void listsTheUuidAloneWhereThereAreNoOtherNames() {
        nvme.run(IDENTIFY, 1, 3);
        assertEquals(0x1003, nvme.i32(0));
        assertEquals(0x0104, nvme.i32(20));
    }

    @Test
    void listsActiveAndAllocatedNamespacesAboveTheOneThatIsGiven() {
        nvme.admin.namespaces().allocated(1).attached = false;
        for (int cns : new int[] {0x02, 0x07}) {
            nvme.run(IDENTIFY, 0, cns);
            assertEquals(2, nvme.i32(0));
            assertEquals(0, nvme.i32(4));
        }
        for (int cns : new int[] {0x10, 0x1a}) {
            nvme.run(IDENTIFY, 0, cns);
            assertEquals(1, nvme.i32(0));
            assertEquals(2, nvme.i32(4));
            assertEquals(0, nvme.i32(8));
            nvme.run(IDENTIFY, 1, cns);
            assertEquals(2, nvme.i32(0));
        }
        assertEquals(0, nvme.run(IDENTIFY, 0xffff_fffd, 0x02));
        assertEquals(0, nvme.i32(0));
    }

    @Test
    void tellsDetachedNamespacesFromAttachedOnes() {
        nvme.admin.namespaces().allocated(1).attached = false;
        nvme.run(IDENTIFY, 1, 0x00);
        assertArrayEquals(ZEROES, nvme.bytes(0, 4096));
        nvme.run(IDENTIFY, 1, 0x11);
        assertEquals(0x800, nvme.i64(0));
        assertEquals(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT, nvme.run(IDENTIFY, 1, 0x03));
    }

    @Test
    void saysWhatNoCommandSetMattersTo() {
        nvme.run(IDENTIFY, 1, 0x08);
        assertEquals(0x80, nvme.u8(3));
        assertEquals(0, nvme.u8(8));
        assertEquals(1, nvme.u8(14));
        nvme.admin.namespaces().allocated(1).writeProtected = true;
        nvme.admin.namespaces().allocated(1).setFormatRemaining(40);
        nvme.run(IDENTIFY, 1, 0x08);
        assertEquals(0x80 + 40, nvme.u8(3));
        assertEquals(1, nvme.u8(8));
        assertEquals(0, nvme.u8(14));
    }

    @Test
    void listsTheControllerWhereItIsAttached() {
        nvme.run(IDENTIFY, 1, 0x12);
        assertEquals(1 | (AdminFixture.IDENTITY.controllerId() << 16), nvme.i32(0));
        nvme.run(IDENTIFY, 3, 0x12);
        assertEquals(0, nvme.i32(0));
        nvme.run(IDENTIFY, 0, 0x13 | (7 << 16));
        assertEquals(1, nvme.u16(0));
        nvme.run(IDENTIFY, 0, 0x13 | (8 << 16));
        assertEquals(0, nvme.u16(0));
    }

    @Test
    void offersTheNvmCommandSetAlone() {
        for (int controller : new int[] {0xffff, 7}) {
            assertEquals(0, nvme.run(IDENTIFY, 0, 0x1c | (controller << 16)));
            assertEquals(1, nvme.i64(0));
            assertEquals(0, nvme.i64(8));
        }
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(IDENTIFY, 0, 0x1c | (6 << 16)));
    }
}
