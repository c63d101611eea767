package org.vfio4j.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.vfio4j.nvme.NvmeSpec.NAMESPACE_ATTACHMENT;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.block.NullBackend;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.RawMemory;

/** Base 5.22 and what else happens to namespaces as wholes. */
class NamespaceCommandsTest {

    private static final int ATTACH = 0;
    private static final int DETACH = 1;

    private final AdminFixture nvme = new AdminFixture();

    @AfterEach
    void close() {
        nvme.close();
    }

    private int attach(int select, int nsid, int... controllers) {
        RawMemory.fill(nvme.data(), 4096, (byte) 0);
        RawMemory.putShort(nvme.data(), (short) controllers.length);
        for (int i = 0; i < controllers.length && i < 2047; i++) {
            RawMemory.putShort(nvme.data() + 2L + 2L * i, (short) controllers[i]);
        }
        return nvme.run(NAMESPACE_ATTACHMENT, nsid, select);
    }

    @ParameterizedTest
    @CsvSource({"0, 0x0b", "5, 0x0b", "-1, 0x0b", "3, 0x02"})
    void refusesNamespacesThatAreNotThere(int nsid, String status) {
        assertEquals(Integer.decode(status), attach(DETACH, nsid, 7));
    }

    @Test
    void refusesOtherSelections() {
        for (int select = 2; select < 16; select++) {
            assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, attach(select, 1, 7));
        }
    }

    @Test
    void refusesListsOfOtherControllers() {
        assertEquals(NvmeStatus.CONTROLLER_LIST_INVALID, attach(DETACH, 1));
        assertEquals(NvmeStatus.CONTROLLER_LIST_INVALID, attach(DETACH, 1, 8));
        assertEquals(NvmeStatus.CONTROLLER_LIST_INVALID, attach(DETACH, 1, 7, 8));
        assertEquals(NvmeStatus.CONTROLLER_LIST_INVALID, attach(DETACH, 1, new int[65535]));
    }

    @Test
    void refusesWhatIsSoAlready() {
        assertEquals(NvmeStatus.NAMESPACE_ALREADY_ATTACHED, attach(ATTACH, 1, 7));
        assertEquals(0, attach(DETACH, 1, 7));
        assertEquals(NvmeStatus.NAMESPACE_NOT_ATTACHED, attach(DETACH, 1, 7));
    }

    @Test
    void detachesWithNothingInFlightAndAttachesAgain() {
        nvme.run(NvmeSpec.SET_FEATURES, 0, 0x0b, 0x100);
        nvme.runRaw(NvmeSpec.ASYNCHRONOUS_EVENT_REQUEST, 0);
        nvme.controller.calls.clear();
        assertEquals(0, attach(DETACH, 2, 7));
        assertEquals(List.of("drain"), nvme.controller.calls);
        assertNull(nvme.admin.namespaces().active(2));
        assertEquals(1, nvme.controller.completed.size());
        assertEquals(0, attach(ATTACH, 2, 7));
        assertNotNull(nvme.admin.namespaces().active(2));
    }

    @Test
    void hasNoCapacityForMoreNamespacesAndGivesNoneUp() {
        assertEquals(NvmeStatus.NAMESPACE_INSUFFICIENT_CAPACITY, nvme.run(NvmeSpec.NAMESPACE_MANAGEMENT, 0, 0));
        assertEquals(NvmeStatus.OPERATION_DENIED, nvme.run(NvmeSpec.NAMESPACE_MANAGEMENT, 1, 1));
        assertEquals(NvmeStatus.OPERATION_DENIED, nvme.run(NvmeSpec.NAMESPACE_MANAGEMENT, -1, 1));
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(NvmeSpec.NAMESPACE_MANAGEMENT, 3, 1));
        assertEquals(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT, nvme.run(NvmeSpec.NAMESPACE_MANAGEMENT, 5, 1));
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(NvmeSpec.NAMESPACE_MANAGEMENT, 1, 2));
        assertNotNull(nvme.admin.namespaces().active(1));
    }

    @ParameterizedTest
    @CsvSource({
        "0x10", "0x11", "0x14", "0x18", "0x19", "0x1a", "0x1c", "0x1d", "0x1e", "0x7f", "0x81", "0x82", "0x84", "0x86",
        "0xc0"
    })
    void refusesCommandsThatIdentifyDoesNotOffer(String opcode) {
        assertEquals(
                NvmeStatus.INVALID_COMMAND_OPCODE | NvmeStatus.DNR, nvme.runRaw(Integer.decode(opcode), 1, -1, -1));
    }

    @Test
    void growsBeforeTheDriversEyes() {
        nvme.controller.calls.clear();
        NullBackend larger = new NullBackend(64L << 20);
        nvme.admin.setStorage(1, larger);
        assertEquals(List.of("drain", "release memory"), nvme.controller.calls);
        nvme.run(NvmeSpec.IDENTIFY, 1, 0);
        assertEquals((64L << 20) / 512, nvme.i64(0));
        nvme.run(NvmeSpec.GET_LOG_PAGE, 0, LogPagesTest.page(4, 8));
        assertEquals(1, nvme.i32(0));
    }

    @Test
    void refusesStorageThatIsTooSmallOrForNoNamespace() {
        assertThrows(ErrnoException.class, () -> nvme.admin.setStorage(2, new NullBackend(512)));
        assertThrows(ErrnoException.class, () -> nvme.admin.setStorage(3, nvme.second));
        assertThrows(ErrnoException.class, () -> nvme.admin.setStorage(-1, nvme.second));
    }

    @Test
    void refusesToBeginWithMoreThanFits() {
        try (MemoryBackend disk = new MemoryBackend(4096)) {
            NamespaceOptions one = new NamespaceOptions(disk, 4096, Optional.empty());
            assertThrows(ErrnoException.class, () -> new NamespaceTable(1, "nqn", List.of(one, one)));
            assertThrows(ErrnoException.class, () -> new NamespaceTable(257, "nqn", List.of(one)));
            assertThrows(ErrnoException.class, () -> new NamespaceOptions(disk, 1024, Optional.empty()));
            NullBackend small = new NullBackend(512);
            assertThrows(ErrnoException.class, () -> new NamespaceOptions(small, 4096, Optional.empty()));
            assertTrue(new NamespaceTable(1, "nqn", List.of(one)).active(1).blocks() == 1);
        }
    }
}
