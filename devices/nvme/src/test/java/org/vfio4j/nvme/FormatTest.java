package org.vfio4j.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.vfio4j.nvme.NvmeSpec.FORMAT_NVM;
import static org.vfio4j.sys.Errno.EIO;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.block.NullBackend;
import org.vfio4j.nvme.AdminFixture.Completed;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/** Base 5.14: the Format NVM command. */
class FormatTest {

    private static final int TO_4096 = 1;

    private final AdminFixture nvme = new AdminFixture();

    @AfterEach
    void close() {
        nvme.close();
    }

    @ParameterizedTest
    @CsvSource({
        "a format that there is not, 1, 0x0002, 0x10a",
        "a format above 15, 1, 0x1000, 0x10a",
        "protection information, 1, 0x0020, 0x10a",
        "cryptographic erase, 1, 0x0400, 0x02",
        "a reserved erase, 1, 0x0e00, 0x02",
        "all namespaces, -1, 0x0000, 0x02",
        "a namespace that is not there, 3, 0x0000, 0x02",
        "a namespace that cannot be, 5, 0x0000, 0x0b",
        "no namespace, 0, 0x0000, 0x0b",
    })
    void refuses(String what, int nsid, String cdw10, String status) {
        assertEquals(Integer.decode(status), nvme.run(FORMAT_NVM, nsid, Integer.decode(cdw10)), what);
        assertTrue(nvme.controller.tasks.isEmpty());
    }

    @Test
    void refusesToFormatWhatIsWriteProtected() {
        nvme.run(NvmeSpec.SET_FEATURES, 1, 0x84, 1);
        assertEquals(NvmeStatus.NAMESPACE_IS_WRITE_PROTECTED, nvme.run(FORMAT_NVM, 1, 0));
    }

    @Test
    void refusesBlocksThatAreLargerThanTheNamespace() {
        nvme.admin.setStorage(1, new NullBackend(2048));
        assertEquals(NvmeStatus.INVALID_FORMAT, nvme.run(FORMAT_NVM, 1, TO_4096));
    }

    @Test
    void erasesAndChangesTheBlocks() {
        fill(nvme.first, (byte) 0x5a);
        assertEquals(AdminHandler.HELD, nvme.runRaw(FORMAT_NVM, 1, TO_4096));
        int cid = nvme.lastCid();
        assertTrue(nvme.controller.calls.contains("drain"));
        assertEquals(
                NvmeStatus.FORMAT_IN_PROGRESS, nvme.admin.namespaces().active(1).notReady());
        assertTrue(nvme.controller.completed.isEmpty());
        assertTrue(nvme.controller.runOne());
        assertEquals(List.of(new Completed(cid, 0, 0)), nvme.controller.completed);
        assertEquals(0, nvme.admin.namespaces().active(1).notReady());
        assertEquals(12, nvme.admin.namespaces().active(1).lbaShift());
        assertEquals(
                AdminFixture.FIRST_BYTES / 4096,
                nvme.admin.namespaces().active(1).blocks());
        assertEquals(0, firstLong(nvme.first));
        nvme.run(NvmeSpec.GET_LOG_PAGE, 0, LogPagesTest.page(4, 8));
        assertEquals(1, nvme.i32(0));
        assertFalse(nvme.controller.runOne());
    }

    @Test
    void showsHowFarItIs() {
        nvme.admin.setStorage(2, new NullBackend(4 * FormatCommand.PIECE_BYTES));
        nvme.run(FORMAT_NVM, 2, 0);
        int cid = nvme.lastCid();
        for (int left = 100; left > 0; left -= 25) {
            nvme.run(NvmeSpec.IDENTIFY, 2, 0);
            assertEquals(0x80 + left, nvme.u8(32));
            assertEquals(NvmeStatus.FORMAT_IN_PROGRESS, nvme.runRaw(FORMAT_NVM, 2, 0));
            assertTrue(nvme.controller.runOne());
        }
        nvme.run(NvmeSpec.IDENTIFY, 2, 0);
        assertEquals(0x80, nvme.u8(32));
        assertEquals(cid, nvme.controller.completed.getFirst().cid());
    }

    @Test
    void isDoneEvenIfAResetTakesItsCommandAway() {
        nvme.run(FORMAT_NVM, 1, TO_4096);
        nvme.admin.controllerReset();
        assertTrue(nvme.controller.runOne());
        assertTrue(nvme.controller.completed.isEmpty());
        assertEquals(12, nvme.admin.namespaces().active(1).lbaShift());
    }

    @Test
    void failsWithTheStorageAndLeavesTheFormat() {
        nvme.controller.clearResult = -EIO;
        nvme.run(FORMAT_NVM, 1, TO_4096);
        int cid = nvme.lastCid();
        nvme.controller.runOne();
        assertEquals(List.of(new Completed(cid, 0, NvmeStatus.WRITE_FAULT)), nvme.controller.completed);
        assertEquals(9, nvme.admin.namespaces().active(1).lbaShift());
        assertEquals(0, nvme.admin.namespaces().active(1).notReady());
    }

    private static void fill(MemoryBackend disk, byte value) {
        try (Mapping memory = Mapping.anonymous(8192);
                BlockQueue queue = disk.openQueue(1)) {
            RawMemory.fill(memory.address() + 4096, 4096, value);
            queue.writev(0, iovec(memory), 1, 0);
            assertEquals(1, queue.poll((tag, result) -> assertEquals(4096, result)));
        }
    }

    private static long firstLong(MemoryBackend disk) {
        try (Mapping memory = Mapping.anonymous(8192);
                BlockQueue queue = disk.openQueue(1)) {
            queue.readv(0, iovec(memory), 1, 0);
            assertEquals(1, queue.poll((tag, result) -> assertEquals(4096, result)));
            return RawMemory.getLong(memory.address() + 4096);
        }
    }

    private static long iovec(Mapping memory) {
        RawMemory.putLong(memory.address(), memory.address() + 4096);
        RawMemory.putLong(memory.address() + 8, 4096);
        return memory.address();
    }
}
