package org.vfio4j.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.vfio4j.nvme.NvmeSpec.GET_FEATURES;
import static org.vfio4j.nvme.NvmeSpec.NSID_BROADCAST;
import static org.vfio4j.nvme.NvmeSpec.SET_FEATURES;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.sys.RawMemory;

/** Base 5.15 and 5.27, NVM Command Set 4.1.3: features. */
class FeaturesTest {

    private static final int SAVE = 1 << 31;
    private static final int DEFAULT = 1 << 8;
    private static final int SAVED = 2 << 8;
    private static final int CAPABILITIES = 3 << 8;

    private final AdminFixture nvme = new AdminFixture();

    @AfterEach
    void close() {
        nvme.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {0x00, 0x03, 0x0c, 0x0d, 0x0f, 0x10, 0x17, 0x19, 0x80, 0x81, 0x83, 0xff})
    void refusesFeaturesThatItDoesNotHave(int fid) {
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_FEATURES, 0, fid));
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(SET_FEATURES, 0, fid));
    }

    @Test
    void refusesToSave() {
        for (Feature feature : Feature.values()) {
            assertEquals(
                    NvmeStatus.FEATURE_IDENTIFIER_NOT_SAVEABLE,
                    nvme.run(SET_FEATURES, feature.isNamespaceSpecific() ? 1 : 0, feature.fid() | SAVE));
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 0x10f", "3, 0x10f", "5, 0x0b", "-2, 0x0b"})
    void refusesToSetAControllersFeatureForANamespace(int nsid, String status) {
        assertEquals(Integer.decode(status), nvme.run(SET_FEATURES, nsid, 0x06, 1));
    }

    @ParameterizedTest
    @ValueSource(ints = {0x05, 0x84})
    void refusesNamespacesThatAreNotThere(int fid) {
        for (int opcode : new int[] {GET_FEATURES, SET_FEATURES}) {
            assertEquals(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT, nvme.run(opcode, 0, fid));
            assertEquals(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT, nvme.run(opcode, 5, fid));
            assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(opcode, 3, fid));
        }
        assertEquals(NvmeStatus.INVALID_NAMESPACE_OR_FORMAT, nvme.run(GET_FEATURES, NSID_BROADCAST, fid));
    }

    @ParameterizedTest
    @CsvSource({
        "a power state that there is not, 0x02, 1",
        "a sensor that there is not, 0x04, 0x10000",
        "a threshold that there is not, 0x04, 0x200000",
        "65536 submission queues, 0x07, 0x0000ffff",
        "65536 completion queues, 0x07, 0xffff0000",
        "a vector that there is not, 0x09, 9",
    })
    void refuses(String what, String fid, String value) {
        assertEquals(
                NvmeStatus.INVALID_FIELD_IN_COMMAND,
                nvme.run(
                        SET_FEATURES, 0, Integer.decode(fid), Long.decode(value).intValue()),
                what);
    }

    @ParameterizedTest
    @CsvSource({"0x05, 0x10000", "0x84, 2", "0x84, 3"})
    void refusesOfANamespace(String fid, String value) {
        assertEquals(
                NvmeStatus.INVALID_FIELD_IN_COMMAND,
                nvme.run(SET_FEATURES, 1, Integer.decode(fid), Integer.decode(value)));
    }

    @Test
    void refusesSelectionsThatAreReserved() {
        for (int select = 4; select < 8; select++) {
            assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_FEATURES, 0, 0x07 | (select << 8)));
        }
    }

    @Test
    void refusesTheNumberOfQueuesOnceThereIsOne() {
        nvme.controller.ioQueues = true;
        assertEquals(NvmeStatus.COMMAND_SEQUENCE_ERROR, nvme.run(SET_FEATURES, 0, 0x07, 0));
    }

    @Test
    void givesAtMostTheQueuesThatThereAre() {
        assertEquals(0, nvme.run(SET_FEATURES, 0, 0x07, 0x0002_001f));
        assertEquals(0x0002_0007, nvme.result());
        nvme.run(GET_FEATURES, 0, 0x07);
        assertEquals(0x0002_0007, nvme.result());
        nvme.run(GET_FEATURES, 0, 0x07 | DEFAULT);
        assertEquals(0x0007_0007, nvme.result());
    }

    @ParameterizedTest
    @CsvSource({
        "arbitration, 0x01, 0xffffffff, 0xffffff07, 0",
        "power management, 0x02, 0x60, 0x60, 0",
        "volatile write cache, 0x06, 0xfffffffe, 0, 1",
        "coalescing, 0x08, 0x1234, 0x1234, 0",
        "write atomicity, 0x0a, 3, 1, 0",
        "async events, 0x0b, 0xffffffff, 0x1ff, 0",
    })
    void keepsWhatMeansSomethingUntilReset(String name, String fid, String value, String kept, String initial) {
        int feature = Integer.decode(fid);
        nvme.run(GET_FEATURES, 0, feature);
        assertEquals(Long.decode(initial).intValue(), nvme.result(), name);
        assertEquals(0, nvme.run(SET_FEATURES, 0, feature, Long.decode(value).intValue()));
        nvme.run(GET_FEATURES, 0, feature);
        assertEquals(Long.decode(kept).intValue(), nvme.result(), name);
        for (int select : new int[] {DEFAULT, SAVED}) {
            nvme.run(GET_FEATURES, 0, feature | select);
            assertEquals(Long.decode(initial).intValue(), nvme.result(), name);
        }
        nvme.admin.controllerReset();
        nvme.run(GET_FEATURES, 0, feature);
        assertEquals(Long.decode(initial).intValue(), nvme.result(), name);
    }

    @Test
    void saysWhatCanBeDoneWithAFeature() {
        nvme.run(GET_FEATURES, 0, 0x07 | CAPABILITIES);
        assertEquals(4, nvme.result());
        nvme.run(GET_FEATURES, 1, 0x84 | CAPABILITIES);
        assertEquals(6, nvme.result());
        nvme.run(GET_FEATURES, 0, 0x0e | CAPABILITIES);
        assertEquals(4, nvme.result());
        assertEquals(0, nvme.dataBytes());
    }

    @Test
    void tellsTheController() {
        nvme.controller.calls.clear();
        nvme.run(SET_FEATURES, 0, 0x08, 0x0a03);
        assertTrue(nvme.controller.calls.contains("coalescing 3 10"));
        nvme.run(SET_FEATURES, 0, 0x06, 0);
        assertTrue(nvme.controller.calls.contains("write cache false"));
        nvme.run(SET_FEATURES, 0, 0x09, 0x1_0008);
        assertTrue(nvme.controller.calls.contains("not coalescing 8"));
        nvme.run(GET_FEATURES, 0, 0x09, 8);
        assertEquals(0x1_0008, nvme.result());
        nvme.run(GET_FEATURES, 0, 0x09, 7);
        assertEquals(7, nvme.result());
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_FEATURES, 0, 0x09, 9));
    }

    @Test
    void keepsBothThresholds() {
        nvme.run(SET_FEATURES, 0, 0x04, 350);
        nvme.run(SET_FEATURES, 0, 0x04, (1 << 20) | 250);
        nvme.run(GET_FEATURES, 0, 0x04);
        assertEquals(350, nvme.result());
        nvme.run(GET_FEATURES, 0, 0x04, 1 << 20);
        assertEquals(250, nvme.result());
        nvme.run(GET_FEATURES, 0, 0x04 | DEFAULT);
        assertEquals(343, nvme.result());
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(GET_FEATURES, 0, 0x04, 3 << 16));
    }

    @Test
    void goesOnWithTheTimeThatTheDriverSays() {
        RawMemory.putLong(nvme.data(), 0xffff_0000_0001_0000L);
        assertEquals(0, nvme.run(SET_FEATURES, 0, 0x0e));
        nvme.pass(2);
        assertEquals(0, nvme.run(GET_FEATURES, 0, 0x0e));
        assertEquals(8, nvme.dataBytes());
        assertEquals(0x0002_0000_0001_0000L + 2000, nvme.i64(0));
        nvme.admin.controllerReset();
        nvme.run(GET_FEATURES, 0, 0x0e);
        assertEquals(0x0002_0000_0001_0000L + 2000, nvme.i64(0));
    }

    @Test
    void learnsWhatTheHostCanDo() {
        RawMemory.fill(nvme.data(), 512, (byte) 0);
        RawMemory.putByte(nvme.data(), (byte) 2);
        assertEquals(NvmeStatus.INVALID_FIELD_IN_COMMAND, nvme.run(SET_FEATURES, 0, 0x16));
        nvme.run(GET_FEATURES, 0, 0x16);
        assertEquals(0, nvme.u8(0));
        RawMemory.putByte(nvme.data(), (byte) 1);
        assertEquals(0, nvme.run(SET_FEATURES, 0, 0x16));
        assertEquals(512, nvme.dataBytes());
        nvme.run(GET_FEATURES, 0, 0x16);
        assertEquals(1, nvme.u8(0));
    }

    @Test
    void protectsANamespaceAcrossReset() {
        assertEquals(0, nvme.run(SET_FEATURES, 2, 0x84, 1));
        assertTrue(nvme.admin.namespaces().active(2).isWriteProtected());
        assertFalse(nvme.admin.namespaces().active(1).isWriteProtected());
        nvme.admin.controllerReset();
        nvme.run(GET_FEATURES, 2, 0x84);
        assertEquals(1, nvme.result());
        nvme.run(NvmeSpec.IDENTIFY, 2, 0);
        assertEquals(1, nvme.u8(99));
    }

    @Test
    void setsAllNamespacesAtOnce() {
        assertEquals(0, nvme.run(SET_FEATURES, NSID_BROADCAST, 0x05, 10));
        for (int nsid = 1; nsid <= 2; nsid++) {
            nvme.run(GET_FEATURES, nsid, 0x05);
            assertEquals(10, nvme.result());
        }
    }
}
