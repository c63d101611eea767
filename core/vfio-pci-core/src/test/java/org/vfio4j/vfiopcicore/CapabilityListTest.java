package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.vfiopcicore.FakePciFunction.*;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The two capability chains (E8: chain walk). */
class CapabilityListTest {

    @Test
    void hidesWhatIsNotForUsers() {
        try (OpenCore disk = OpenCore.disk()) {
            assertThat(standardChain(disk)).containsExactly(PM, MSIX, EXP, MSI, VNDR, AF, VPD);
        }
    }

    @Test
    void keepsAnEmptyHeadWhenTheFirstExtendedCapabilityIsHidden() {
        try (OpenCore disk = OpenCore.disk()) {
            assertThat(disk.config(EXT_HIDDEN, 4)).isEqualTo(DSN << 20);
            assertThat(extendedChain(disk)).containsExactly(EXT_HIDDEN, DSN, ERR, VSEC);
            assertThat(disk.config(DSN, 4)).isEqualTo(PCI_EXT_CAP_ID_DSN | 1 << 16 | ERR << 20);
        }
    }

    @Test
    void theSecondPciXHasExtendedCapabilitiesToo() {
        for (int version : new int[] {0, 1, 2}) {
            FakePciFunction f = new FakePciFunction(4096);
            f.set(PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
            f.set(PCI_CAPABILITY_LIST, 1, 0x40);
            f.capability(0x40, PCI_CAP_ID_PCIX, 0);
            f.set(0x40 + PCI_X_CMD, 2, version << 12);
            f.extended(0x100, PCI_EXT_CAP_ID_PASID, 0x110);
            f.extended(0x110, PCI_EXT_CAP_ID_DSN, 0);
            f.done();
            try (OpenCore core = new OpenCore(f)) {
                int hidden = core.config(0x100, 4);
                assertThat(hidden)
                        .as("version %d", version)
                        .isEqualTo(version == 0 ? f.configRead(0x100, 4) : 0x1100_0000);
            }
        }
    }

    @Test
    void aFunctionWithoutCapabilitiesHasNone() {
        try (OpenCore bare = new OpenCore(FakePciFunction.bare())) {
            assertThat(bare.config(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST).isZero();
            assertThat(bare.file.irqInfo(1).count()).isZero();
        }
    }

    @Test
    void clearsTheListBitWhenEveryCapabilityIsHidden() {
        FakePciFunction f = new FakePciFunction(256);
        f.set(PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
        f.set(PCI_CAPABILITY_LIST, 1, 0x40);
        f.capability(0x40, PCI_CAP_ID_SHPC, 0);
        f.done();
        try (OpenCore core = new OpenCore(f)) {
            assertThat(core.config(PCI_STATUS, 2)).isZero();
            assertThat(core.config(PCI_CAPABILITY_LIST, 1)).isZero();
        }
    }

    @Test
    void cutsAChainThatLoops() {
        FakePciFunction f = FakePciFunction.disk();
        f.set(VPD + PCI_CAP_LIST_NEXT, 1, PM);
        f.set(VSEC, 4, PCI_EXT_CAP_ID_VNDR | 1 << 16 | DSN << 20);
        f.done();
        try (OpenCore core = new OpenCore(f)) {
            assertThat(standardChain(core)).containsExactly(PM, MSIX, EXP, MSI, VNDR, AF, VPD);
            assertThat(extendedChain(core)).containsExactly(EXT_HIDDEN, DSN, ERR, VSEC);
        }
    }

    @Test
    void hidesACapabilityThatDoesNotFit() {
        FakePciFunction f = FakePciFunction.disk();
        f.set(VPD + PCI_CAP_LIST_NEXT, 1, 0xfc);
        f.capability(0xfc, PCI_CAP_ID_MSI, 0x10);
        f.set(VSEC, 4, PCI_EXT_CAP_ID_VNDR | 1 << 16 | 0xffc << 20);
        f.set(0xffc, 4, PCI_EXT_CAP_ID_ERR | 1 << 16);
        f.done();
        try (OpenCore core = new OpenCore(f)) {
            assertThat(standardChain(core)).doesNotContain(0xfc);
            assertThat(extendedChain(core)).doesNotContain(0xffc);
        }
    }

    @Test
    void readsAnUnknownCapabilitysNeighboursAndVendorRegistersThrough() {
        try (OpenCore disk = OpenCore.disk()) {
            disk.config(VNDR + 8, 4, 0xcafe_f00d);
            assertThat(disk.function.configRead(VNDR + 8, 4)).isEqualTo(0xcafe_f00d);
            disk.config(VNDR, 4, -1);
            assertThat(disk.config(VNDR, 4)).isEqualTo(PCI_CAP_ID_VNDR | AF << 8 | 16 << 16);
            disk.config(VSEC + 8, 4, 0x55aa);
            assertThat(disk.config(VSEC + 8, 4)).isEqualTo(0x55aa);
            disk.config(VPD + PCI_VPD_ADDR, 2, 0x10);
            assertThat(disk.function.configRead(VPD + PCI_VPD_ADDR, 2)).isEqualTo(0x10);
        }
    }

    @Test
    void serialNumberIsReadOnly() {
        try (OpenCore disk = OpenCore.disk()) {
            disk.config(DSN + 4, 4, 0);
            assertThat(disk.config(DSN + 4, 4)).isEqualTo(0x12345678);
        }
    }

    @Test
    void everyKnownCapabilityHasALengthThatItsPermissionsFit() {
        for (int id = 1; id <= PCI_CAP_ID_MAX; id++) {
            for (int content : new int[] {0, 0xff}) {
                FakePciFunction f = new FakePciFunction(4096);
                f.set(PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
                f.set(PCI_CAPABILITY_LIST, 1, 0x40);
                Arrays.fill(f.config, 0x40, 0x100, (byte) content);
                f.capability(0x40, id, 0);
                f.done();
                new OpenCore(f).close();
            }
        }
        for (int id = 0; id <= PCI_EXT_CAP_ID_MAX; id++) {
            for (int content : new int[] {0, 0xff}) {
                FakePciFunction f = FakePciFunction.disk();
                Arrays.fill(f.config, 0x100, 0x1000, (byte) content);
                f.extended(0x100, id, 0);
                f.done();
                new OpenCore(f).close();
            }
        }
    }

    static List<Integer> standardChain(OpenCore core) {
        List<Integer> chain = new ArrayList<>();
        int pos = core.config(PCI_CAPABILITY_LIST, 1);
        while (pos != 0) {
            chain.add(pos);
            assertThat(chain).as("the chain ends").hasSizeLessThan(64);
            pos = core.config(pos + PCI_CAP_LIST_NEXT, 1);
        }
        return chain;
    }

    static List<Integer> extendedChain(OpenCore core) {
        List<Integer> chain = new ArrayList<>();
        int pos = PCI_CFG_SPACE_SIZE;
        while (pos != 0) {
            chain.add(pos);
            assertThat(chain).as("the chain ends").hasSizeLessThan(1024);
            pos = core.config(pos, 4) >>> 20;
        }
        return chain;
    }
}
