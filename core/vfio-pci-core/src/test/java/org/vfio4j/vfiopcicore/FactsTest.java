package org.vfio4j.vfiopcicore;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio4j.VFIO4J_DEVICE_INFO_CAP_FACTS;
import static org.vfio4j.vfiopcicore.FakePciFunction.DSN;
import static org.vfio4j.vfiopcicore.FakePciFunction.ERR;
import static org.vfio4j.vfiopcicore.FakePciFunction.EXT_HIDDEN;
import static org.vfio4j.vfiopcicore.FakePciFunction.VSEC;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.uapi.Vfio;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioInfoCapability;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcifacts.PciFactsTable;

/**
 * What a table of facts does to a device: its user is told, and finds PASID, ATS and PRI in its configuration space
 * (PCI Express Base 6.0, 7.8.8 and 10.5).
 */
class FactsTest {

    private static final String ALL = "pasidOffset=0x200 atsOffset=0x208 priOffset=0x210";

    private final FakePciFunction function = FakePciFunction.disk();

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "pasidOffset=0x110 | PASID at 0x110 to 0x117: another capability has byte 0x110",
                "pasidOffset=0x10c | PASID at 0x10c to 0x113: another capability has byte 0x110",
                "priOffset=0x108 | PRI at 0x108 to 0x117: another capability has byte 0x110",
                "atsOffset=0x118 | ATS at 0x118 to 0x11f: another capability has byte 0x118",
                "atsOffset=0x100 | ATS at 0x100 to 0x107: another capability has byte 0x100",
                "atsOffset=0x154 | ATS at 0x154 to 0x15b: another capability has byte 0x154",
                "pasidOffset=0x200 atsOffset=0x200 | ATS at 0x200 to 0x207: another capability has byte 0x200",
                "atsOffset=0x208 priOffset=0x1fc | PRI at 0x1fc to 0x20b: another capability has byte 0x208",
            })
    void refusesAtProbeWhatOverlaps(String facts, String error) {
        assertThatThrownBy(() -> VfioPciCore.create("test", device(facts)))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EINVAL))
                .hasMessageStartingWith("test: facts of 0000:08:00.0: " + error);
    }

    @Test
    void refusesWhatTheFunctionHasItself() {
        function.extended(VSEC, PCI_EXT_CAP_ID_ATS, 0);
        function.done();
        assertThatThrownBy(() -> VfioPciCore.create("test", device("atsOffset=0x200")))
                .hasMessageContaining("ATS at 0x200 to 0x207: the function has one");
    }

    @Test
    void refusesAFunctionWithoutExtendedCapabilities() {
        FakePciFunction bare = FakePciFunction.bare();
        assertThatThrownBy(() -> VfioPciCore.create("test", device(bare, "pasidOffset=0x200")))
                .hasMessageContaining("the function has no extended capabilities");
    }

    @Test
    void withoutFactsNothingIsAdded() {
        try (OpenFacts device = open("denylisted=no")) {
            assertThat(device.chain()).containsOnlyKeys(EXT_HIDDEN, DSN, ERR, VSEC);
            assertThat(device.file.info().capabilities()).isEmpty();
        }
    }

    @Test
    void theUserIsToldOfPageFaultTolerance() {
        try (OpenFacts device = open("ioPageFaultTolerant=yes")) {
            assertThat(device.file.info().capabilities())
                    .containsExactly(new VfioInfoCapability(VFIO4J_DEVICE_INFO_CAP_FACTS, 1, new byte[] {1, 0, 0, 0}));
        }
    }

    @Test
    void capabilitiesAreLinkedBehindTheFunctionsOwn() {
        try (OpenFacts device = open(ALL)) {
            assertThat(device.chain())
                    .containsExactly(
                            Map.entry(EXT_HIDDEN, 0),
                            Map.entry(DSN, PCI_EXT_CAP_ID_DSN),
                            Map.entry(ERR, PCI_EXT_CAP_ID_ERR),
                            Map.entry(VSEC, PCI_EXT_CAP_ID_VNDR),
                            Map.entry(0x200, PCI_EXT_CAP_ID_PASID),
                            Map.entry(0x208, PCI_EXT_CAP_ID_ATS),
                            Map.entry(0x210, PCI_EXT_CAP_ID_PRI));
        }
    }

    @Test
    void theFirstPlaceMayBeTakenWhenItIsEmpty() {
        FakePciFunction bareExpress = FakePciFunction.disk();
        bareExpress.set(0x100, 4, 0);
        bareExpress.done();
        try (OpenFacts device = open(bareExpress, "pasidOffset=0x100 atsOffset=0xff8")) {
            assertThat(device.chain())
                    .containsExactly(Map.entry(0x100, PCI_EXT_CAP_ID_PASID), Map.entry(0xff8, PCI_EXT_CAP_ID_ATS));
        }
    }

    @Test
    void registersSayWhatIsOffered() {
        try (OpenFacts device = open(ALL)) {
            assertThat(device.config(0x200 + PCI_PASID_CAP, 2)).isEqualTo(20 << 8);
            assertThat(device.config(0x208 + PCI_ATS_CAP, 2)).isEqualTo(PCI_ATS_CAP_PAGE_ALIGNED);
            assertThat(device.config(0x210 + PCI_PRI_MAX_REQ, 4)).isEqualTo(32);
            assertThat(device.config(0x210 + PCI_PRI_STATUS, 2))
                    .isEqualTo(PCI_PRI_STATUS_STOPPED | PCI_PRI_STATUS_PASID);
        }
        try (OpenFacts device = open("priOffset=0x210")) {
            assertThat(device.config(0x210 + PCI_PRI_STATUS, 2)).isEqualTo(PCI_PRI_STATUS_STOPPED);
        }
    }

    @Test
    void controlRegistersKeepWhatTheyDefineAndNothingElse() {
        try (OpenFacts device = open(ALL)) {
            for (int at = 0x200; at < 0x220; at += 4) {
                device.config(at, 4, -1);
            }
            assertThat(device.config(0x200, 4)).isEqualTo(PCI_EXT_CAP_ID_PASID | 1 << 16 | 0x208 << 20);
            assertThat(device.config(0x200 + PCI_PASID_CTRL, 2)).isEqualTo(PCI_PASID_CTRL_ENABLE);
            assertThat(device.config(0x208 + PCI_ATS_CTRL, 2)).isEqualTo(PCI_ATS_CTRL_ENABLE | 0x1f);
            assertThat(device.config(0x210 + PCI_PRI_CTRL, 2)).isEqualTo(PCI_PRI_CTRL_ENABLE);
            assertThat(device.config(0x210 + PCI_PRI_STATUS, 2)).isEqualTo(PCI_PRI_STATUS_PASID);
            assertThat(device.config(0x210 + PCI_PRI_MAX_REQ, 4)).isEqualTo(32);
            assertThat(device.config(0x210 + PCI_PRI_ALLOC_REQ, 4)).isEqualTo(-1);
            device.config(0x210 + PCI_PRI_CTRL, 1, PCI_PRI_CTRL_RESET);
            assertThat(device.config(0x210 + PCI_PRI_CTRL, 2)).isZero();
            assertThat(device.config(0x210 + PCI_PRI_STATUS, 2) & PCI_PRI_STATUS_STOPPED)
                    .isNotZero();
        }
    }

    @Test
    void theFunctionSeesNoneOfIt() {
        for (int at = 0x200; at < 0x220; at += 4) {
            function.mask(at, 4, -1);
        }
        byte[] before = Arrays.copyOfRange(function.config, 0x200, 0x220);
        try (OpenFacts device = open(ALL)) {
            for (int at = 0x200; at < 0x220; at += 4) {
                device.config(at, 4, -1);
            }
            assertThat(Arrays.copyOfRange(function.config, 0x200, 0x220)).isEqualTo(before);
        }
    }

    @Test
    void aNewUserFindsThemAsTheyWere() {
        PciDevice device = device(ALL);
        VfioRegistry registry = new VfioRegistry();
        registry.register(VfioPciCore.create("test", device), () -> () -> {}, device.toString());
        try (OpenFacts first = new OpenFacts(registry.open("vfio0"))) {
            first.config(0x200 + PCI_PASID_CTRL, 2, PCI_PASID_CTRL_ENABLE);
        }
        try (OpenFacts second = new OpenFacts(registry.open("vfio0"))) {
            assertThat(second.config(0x200 + PCI_PASID_CTRL, 2)).isZero();
        }
    }

    private PciDevice device(String facts) {
        return device(function, facts);
    }

    private static PciDevice device(FakePciFunction function, String facts) {
        PciBus bus = new PciBus();
        bus.provide(PciFactsTable.class, PciFactsTable.EMPTY.with("test", ("*:* " + facts).getBytes(UTF_8)));
        return bus.add(PciAddress.parse("0000:08:00.0"), function);
    }

    private OpenFacts open(String facts) {
        return open(function, facts);
    }

    private static OpenFacts open(FakePciFunction function, String facts) {
        PciDevice device = device(function, facts);
        VfioRegistry registry = new VfioRegistry();
        registry.register(VfioPciCore.create("test", device), () -> () -> {}, device.toString());
        return new OpenFacts(registry.open("vfio0"));
    }

    /** An open device, for looks at its configuration space. */
    private record OpenFacts(LocalDeviceFile file, MemorySegment buffer) implements AutoCloseable {

        OpenFacts(LocalDeviceFile file) {
            this(file, MemorySegment.ofArray(new byte[4]));
        }

        int config(int offset, int width) {
            buffer.fill((byte) 0);
            file.read(Vfio.VFIO_PCI_CONFIG_REGION_INDEX, offset, buffer, 0, width);
            return buffer.get(ValueLayout.JAVA_INT_UNALIGNED, 0);
        }

        void config(int offset, int width, int value) {
            buffer.set(ValueLayout.JAVA_INT_UNALIGNED, 0, value);
            file.write(Vfio.VFIO_PCI_CONFIG_REGION_INDEX, offset, buffer, 0, width);
        }

        /** Offset and id of each extended capability, as a driver walks them. */
        Map<Integer, Integer> chain() {
            Map<Integer, Integer> found = new LinkedHashMap<>();
            List<Integer> walked = new ArrayList<>();
            for (int at = 0x100; at != 0; at = config(at, 4) >>> 20) {
                walked.add(at);
                assertThat(walked).doesNotHaveDuplicates();
                found.put(at, config(at, 4) & 0xffff);
            }
            return found;
        }

        @Override
        public void close() {
            file.close();
        }
    }
}
