package org.vfio4j.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.vfio4j.nvme.NvmeSpec.GET_LOG_PAGE;
import static org.vfio4j.nvme.NvmeSpec.NSID_BROADCAST;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Base 5.16: log pages. Offsets are those of libnvme's structures. */
class LogPagesTest {

    private final AdminFixture nvme = new AdminFixture();

    @AfterEach
    void close() {
        nvme.close();
    }

    /** CDW10 that asks for so many bytes of a page. */
    static int page(int lid, int bytes) {
        return lid | ((bytes / 4 - 1) << 16);
    }

    @ParameterizedTest
    @ValueSource(ints = {0x06, 0x07, 0x08, 0x09, 0x0c, 0x0d, 0x0e, 0x11, 0x14, 0x70, 0x80, 0x81, 0xc0, 0xff})
    void refusesPagesThatItDoesNotHave(int lid) {
        assertEquals(NvmeStatus.INVALID_LOG_PAGE | NvmeStatus.DNR, nvme.runRaw(GET_LOG_PAGE, 0, page(lid, 512)));
    }

    @Test
    void refusesMoreThanItTransfers() {
        assertEquals(0, nvme.run(GET_LOG_PAGE, 0, page(2, 512 * 1024), (512 * 1024 / 4 - 1) >>> 16));
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_LOG_PAGE, 0, 2, 2));
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_LOG_PAGE, 0, 0xffff_0002, 0xffff));
    }

    @Test
    void refusesOffsetsThatAreNotInThePage() {
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_LOG_PAGE, 0, page(2, 4), 0, 2));
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_LOG_PAGE, 0, page(2, 4), 0, 516));
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_LOG_PAGE, 0, page(2, 4), 0, 0, 1));
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_LOG_PAGE, 0, page(2, 4), 0, -4, -1));
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_LOG_PAGE, 0, page(2, 4), 0, 0, 0, 1 << 23));
        assertEquals(0, nvme.run(GET_LOG_PAGE, 0, page(2, 4), 0, 512));
        assertEquals(0, nvme.i32(0));
    }

    @Test
    void refusesPagesOfOneNamespaceAndOfOtherCommandSets() {
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_LOG_PAGE, 1, page(2, 512)));
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_LOG_PAGE, 0, page(5, 4), 0, 0, 0, 2 << 24));
        assertEquals(0, nvme.run(GET_LOG_PAGE, NSID_BROADCAST, page(2, 512)));
    }

    @Test
    void givesThePartThatIsAskedForAndZeroesBehindIt() {
        nvme.run(GET_LOG_PAGE, 0, page(5, 4096));
        byte[] whole = nvme.bytes(0, 4096);
        nvme.run(GET_LOG_PAGE, 0, page(5, 3072), 0, 1024);
        for (int i = 0; i < 3072; i++) {
            assertEquals(whole[1024 + i], nvme.bytes(i, 1)[0]);
        }
        nvme.run(GET_LOG_PAGE, 0, page(3, 1024), 0, 8);
        assertEquals("2.5     ", nvme.text(0, 8));
        assertArrayEquals(new byte[1016], nvme.bytes(8, 1016));
    }

    @Test
    void listsThePagesThatItHas() {
        nvme.run(GET_LOG_PAGE, 0, page(0, 1024));
        for (int lid = 0; lid < 256; lid++) {
            int supported = nvme.i32(4 * lid);
            int status = nvme.run(GET_LOG_PAGE, 0, page(lid, 4));
            assertEquals(status == 0 ? 1 : 0, supported, "log page " + lid);
            nvme.run(GET_LOG_PAGE, 0, page(0, 1024));
        }
    }

    @Test
    void logsErrorsNewestFirst() {
        nvme.admin.failed(3, 0x1234, NvmeStatus.LBA_OUT_OF_RANGE | NvmeStatus.DNR, 2, 99);
        nvme.admin.failed(0, 7, NvmeStatus.INVALID_FIELD_IN_COMMAND, 0, 0);
        nvme.run(GET_LOG_PAGE, 0, page(1, 192));
        assertEquals(2, nvme.i64(0), "error_count");
        assertEquals(0, nvme.u16(8), "sqid");
        assertEquals(7, nvme.u16(10), "cmdid");
        assertEquals(1, nvme.i64(64), "error_count");
        assertEquals(3, nvme.u16(64 + 8), "sqid");
        assertEquals(0x1234, nvme.u16(64 + 10), "cmdid");
        assertEquals((0x4080 << 1), nvme.u16(64 + 12), "status_field");
        assertEquals(0xffff, nvme.u16(64 + 14), "parm_error_location");
        assertEquals(99, nvme.i64(64 + 16), "lba");
        assertEquals(2, nvme.i32(64 + 24), "nsid");
        assertEquals(0, nvme.i64(128));
    }

    @Test
    void keepsAsManyErrorsAsIdentifySays() {
        for (int i = 1; i <= 100; i++) {
            nvme.admin.failed(1, i, NvmeStatus.INVALID_FIELD_IN_COMMAND, 1, i);
        }
        nvme.admin.failed(-1, 0, NvmeStatus.INTERNAL_ERROR, 0, 0);
        nvme.run(GET_LOG_PAGE, 0, page(1, 4096));
        assertEquals(101, nvme.i64(0));
        assertEquals(0xffff_ffff, nvme.i32(8));
        assertEquals(38, nvme.i64(63 * 64));
        assertEquals(38, nvme.u16(63 * 64 + 10));
    }

    @Test
    void countsForSmart() {
        nvme.controller.tally.reads = 5;
        nvme.controller.tally.compares = 2;
        nvme.controller.tally.writes = 3;
        nvme.controller.tally.readBytes = 512_000 + 1;
        nvme.controller.tally.writtenBytes = 512_000;
        nvme.controller.tally.mediaErrors = 4;
        nvme.admin.failed(1, 1, NvmeStatus.WRITE_FAULT, 1, 0);
        nvme.pass(7300);
        nvme.run(GET_LOG_PAGE, 0, page(2, 512));
        assertEquals(0, nvme.u8(0), "critical_warning");
        assertEquals(298, nvme.u16(1), "temperature");
        assertEquals(100, nvme.u8(3), "avail_spare");
        assertEquals(10, nvme.u8(4), "spare_thresh");
        assertEquals(0, nvme.u8(5), "percent_used");
        assertEquals(2, nvme.i64(32), "data_units_read");
        assertEquals(1, nvme.i64(48), "data_units_written");
        assertEquals(7, nvme.i64(64), "host_reads");
        assertEquals(3, nvme.i64(80), "host_writes");
        assertEquals(1, nvme.i64(112), "power_cycles");
        assertEquals(2, nvme.i64(128), "power_on_hours");
        assertEquals(0, nvme.i64(144), "unsafe_shutdowns");
        assertEquals(4, nvme.i64(160), "media_errors");
        assertEquals(1, nvme.i64(176), "num_err_log_entries");
    }

    @Test
    void hasOneFirmwareSlot() {
        nvme.run(GET_LOG_PAGE, 0, page(3, 512));
        assertEquals(1, nvme.u8(0), "afi");
        assertEquals("2.5     ", nvme.text(8, 8));
        assertEquals(0, nvme.i64(16));
    }

    @Test
    void saysWhichCommandsThereAre() {
        nvme.run(GET_LOG_PAGE, 0, page(5, 4096));
        byte[] effects = nvme.bytes(0, 1024);
        for (int opcode = 0; opcode < 256; opcode++) {
            boolean isSupported = (effects[4 * opcode] & 1) != 0;
            boolean isQueues = opcode <= 0x05 || opcode == NvmeSpec.ABORT || opcode == NvmeSpec.DOORBELL_BUFFER_CONFIG;
            if (!isQueues) {
                int status = nvme.run(opcode, 0);
                assertEquals(
                        isSupported,
                        status != NvmeStatus.INVALID_COMMAND_OPCODE,
                        "opcode 0x" + Integer.toHexString(opcode));
            }
        }
        nvme.run(GET_LOG_PAGE, 0, page(5, 4096));
        assertEquals(0x0011_0007, nvme.i32(4 * 0x80), "Format NVM");
        assertEquals(0x0010_0003, nvme.i32(1024 + 4), "Write");
        assertEquals(0, nvme.i32(1024 + 4 * NvmeSpec.WRITE_UNCORRECTABLE));
    }

    @Test
    void saysWhichFeaturesThereAre() {
        nvme.run(GET_LOG_PAGE, 0, page(0x12, 1024));
        byte[] page = nvme.bytes(0, 1024);
        for (int fid = 0; fid < 256; fid++) {
            nvme.run(NvmeSpec.GET_FEATURES, 1, fid);
            boolean isSupported = nvme.run(NvmeSpec.GET_FEATURES, 1, fid) == 0;
            assertEquals(isSupported ? 1 : 0, page[4 * fid] & 1, "feature " + fid);
        }
    }

    @Test
    void listsChangedNamespacesUntilItIsRead() {
        nvme.admin.setStorage(2, nvme.second);
        nvme.admin.setStorage(1, nvme.first);
        nvme.run(GET_LOG_PAGE, 0, page(4, 4096) | (1 << 15));
        assertEquals(1, nvme.i32(0));
        assertEquals(2, nvme.i32(4));
        assertEquals(0, nvme.i32(8));
        nvme.run(GET_LOG_PAGE, 0, page(4, 4096));
        assertNotEquals(0, nvme.i32(0));
        nvme.run(GET_LOG_PAGE, 0, page(4, 4096));
        assertEquals(0, nvme.i32(0));
    }
}
