package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.BrokenDevice.swallowing;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.vfio4j.it.BrokenDevice.Call;
import org.vfio4j.it.BrokenDevice.Fault;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.testkit.VfioPciConformance;
import org.vfio4j.vfio.VfioDeviceInfo;
import org.vfio4j.vfio.VfioIoEventFd;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioRegionCapabilities;
import org.vfio4j.vfio.VfioRegionInfo;

/** The conformance suite finds what it is for: a device that breaks one rule is caught by that rule, and by no other. */
class ConformanceSelfTest {

    private static final int BAR = 4;
    private static final int MISSING = 3;
    private static final int MSIX = 2;
    private static final int REQ = 4;
    private static final int NO_FEATURE = 13;
    private static final long PAGE = 4096;
    private static final long IOVA = 0x10_0000;
    private static final Object NOTHING = Optional.empty();

    private final Map<String, Supplier<Fault>> faults = new TreeMap<>();

    @TestFactory
    Stream<DynamicTest> aDeviceThatBreaksARuleIsCaughtByItAlone() {
        informationFaults();
        accessFaults();
        configFaults();
        capabilityFaults();
        new IrqFaults(faults).add();
        dmaFaults();
        featureFaults();
        LocalDisk disk = new LocalDisk();
        return faults.entrySet().stream()
                .map(each -> DynamicTest.dynamicTest(each.getKey(), () -> {
                    List<String> broken = VfioPciConformance.check(BrokenDevice.supplier(disk::open, each.getValue()))
                            .broken();
                    assertThat(broken).singleElement().asString().startsWith(each.getKey() + ": ");
                }))
                .onClose(disk::close);
    }

    private void stateless(String rule, Fault fault) {
        faults.put(rule, () -> fault);
    }

    private void informationFaults() {
        stateless(
                "info.isAPciDevice",
                call -> call.is("info") ? info(call, 0, 0, ~VFIO_DEVICE_FLAGS_PCI) : call.proceed());
        stateless("info.hasTheStandardRegionsAndIrqs", call -> {
            if (call.is("regionInfo", 8)) {
                throw new ErrnoException(EINVAL, "region 8");
            }
            return call.is("info") ? info(call, -1, 0, -1) : call.proceed();
        });
        region("regionInfo.answersForTheIndexAsked", MISSING, old -> new VfioRegionInfo(2, 0, 0));
        stateless(
                "regionInfo.refusesIndicesThatAreNotThere",
                call -> call.is("regionInfo", 9) ? new VfioRegionInfo(9, 0, 0) : call.proceed());
        region("regionInfo.aRegionHasSizeAndAccessOrNeither", MISSING, old -> new VfioRegionInfo(MISSING, 1, 0));
        region(
                "regionInfo.mappableAreasAreWholePagesInside",
                BAR,
                old -> new VfioRegionInfo(
                        BAR,
                        old.flags(),
                        old.sizeBytes(),
                        List.of(VfioRegionCapabilities.sparseMmap(List.of(new VfioRegionCapabilities.Area(100, 10))))));
        region(
                "regionMemory.isThereWhereMmapIsPromised",
                BAR,
                old -> new VfioRegionInfo(BAR, old.flags() | VFIO_REGION_INFO_FLAG_MMAP, old.sizeBytes()));
        stateless("regionInfo.deviceSpecificRegionsSayWhatTheyAre", call -> {
            if (call.is("regionInfo", 9)) {
                return new VfioRegionInfo(9, 3, PAGE);
            }
            if (call.is("regionMemory", 9)) {
                return NOTHING;
            }
            if (call.is("ioEventFds", 9)) {
                return List.of();
            }
            return call.is("info") ? info(call, 1, 0, -1) : call.proceed();
        });
        stateless(
                "ioEventFds.refusesRegionsThatAreNotThere",
                call -> call.is("ioEventFds", 9) ? List.of() : call.proceed());
        stateless("ioEventFds.lieInsideTheirRegion", call -> {
            if (!call.is("ioEventFds", BAR)) {
                return call.proceed();
            }
            try (Fd event = EventFd.create()) {
                return List.of(new VfioIoEventFd(Long.MAX_VALUE - 4, 2, 0, 0, event));
            }
        });
        irq("irqInfo.answersForTheIndexAsked", 3, old -> new VfioIrqInfo(4, old.flags(), old.count()));
        stateless(
                "irqInfo.refusesIndicesThatAreNotThere",
                call -> call.is("irqInfo", 5) ? new VfioIrqInfo(5, 0, 0) : call.proceed());
        irq("irqInfo.everyIndexSignalsEventFds", REQ, old -> new VfioIrqInfo(REQ, 0, 1));
        irq(
                "irqInfo.onlyIntxIsAutomaskedAndItIsMaskable",
                MSIX,
                old -> new VfioIrqInfo(MSIX, old.flags() | VFIO_IRQ_INFO_AUTOMASKED, old.count()));
    }

    private void accessFaults() {
        stateless(
                "access.refusesRangesOutsideTheRegion",
                swallowing(
                        "read",
                        call -> call.number(0) == BAR
                                && call.wide(1) == call.file().regionInfo(BAR).sizeBytes(),
                        call -> {}));
        stateless(
                "access.refusesRegionsThatAreNotThere",
                swallowing("write", call -> call.number(0) == MISSING, call -> {}));
        stateless("access.ofNothingIsAllowed", swallowing("read", call -> call.number(4) == 0, call -> {
            throw new ErrnoException(EINVAL, "read of nothing");
        }));
    }

    private void configFaults() {
        stateless("config.headerIsANormalOne", call -> call.proceedWith(PCI_HEADER_TYPE, old -> 1));
        kept("config.idsAreReadOnly", PCI_VENDOR_ID);
        kept("config.barsThatAreNotThereReadZero", PCI_BASE_ADDRESS_0 + 4 * MISSING + 3);
        stateless(
                "config.readsOfAnyWidthAgree",
                call -> call.is("read") && call.number(4) == 1
                        ? call.proceedWith(PCI_SUBSYSTEM_VENDOR_ID, old -> old + 1)
                        : call.proceed());
        faults.put("config.busMasterIsOffAtFirst", () -> {
            boolean[] set = {false};
            return call -> {
                set[0] |= call.is("feature") || call.touches("write", PCI_COMMAND);
                return set[0] ? call.proceed() : call.proceedWith(PCI_COMMAND, old -> old | PCI_COMMAND_MASTER);
            };
        });
        stateless(
                "config.commandBitsAreKept",
                call -> call.proceedWith(PCI_COMMAND + 1, old -> old & ~(PCI_COMMAND_INTX_DISABLE >> 8)));
        stateless(
                "config.interruptLineIsKept",
                swallowing("write", call -> call.touches("write", PCI_INTERRUPT_LINE), call -> {}));
        stateless(
                "config.barsSizeAsTheirRegions",
                swallowing("write", call -> call.touches("write", PCI_BASE_ADDRESS_0 + 4 * BAR), call -> {}));
        stateless("config.barsAreReachedOnlyWhileMemoryDecodes", call -> {
            try {
                return call.proceed();
            } catch (ErrnoException e) {
                if (e.errno() != EIO) {
                    throw e;
                }
                return null;
            }
        });
        faults.put("reset.deviceAnswersAfterwards", () -> {
            int[] resets = {0};
            return call -> {
                resets[0] += call.is("reset") ? 1 : 0;
                return resets[0] > 1 ? call.proceedWith(PCI_VENDOR_ID, old -> 0xff) : call.proceed();
            };
        });
    }

    private void capabilityFaults() {
        stateless(
                "capabilities.chainEnds",
                call -> call.proceedWith(capability(call, true) + 1, old -> capability(call, false)));
        stateless(
                "capabilities.statusBitTellsOfThem",
                call -> call.proceedWith(PCI_STATUS, old -> old & ~PCI_STATUS_CAP_LIST));
        faults.put("capabilities.headersAreReadOnly", () -> {
            boolean[] written = {false};
            return call -> {
                int at = capability(call, true);
                written[0] |= call.touches("write", at) && call.number(4) == 2;
                return written[0] ? call.proceedWith(at, old -> 0x55) : call.proceed();
            };
        });
        stateless(
                "capabilities.msixTableLiesInItsBar",
                call -> call.proceedWith(msix(call) + PCI_MSIX_TABLE + 3, old -> 0xff));
        stateless(
                "capabilities.vectorsAreAsManyAsIrqInfoSays",
                call -> call.proceedWith(msix(call) + PCI_MSIX_FLAGS, old -> old + 1));
    }

    private void dmaFaults() {
        stateless("dma.mapRefusesNothing", swallowing("dmaMap", call -> call.wide(1) == 0, call -> {}));
        stateless(
                "dma.mapRefusesRangesPastTheEndOfTheAddressSpace",
                swallowing("dmaMap", call -> call.wide(0) == -PAGE && call.wide(1) == 2 * PAGE, call -> {}));
        stateless("dma.mapRefusesOverlaps", swallowing("dmaMap", call -> call.wide(0) == IOVA + PAGE, call -> {}));
        stateless(
                "dma.mapReachesTheLastPage",
                swallowing("dmaMap", call -> call.wide(0) == -PAGE && call.wide(1) == PAGE, call -> {
                    throw new ErrnoException(EINVAL, "the last page");
                }));
        faults.put("dma.unmapRefusesWhatIsNotMapped", () -> {
            int[] unmaps = {0};
            return swallowing("dmaUnmap", call -> call.wide(1) == PAGE && ++unmaps[0] == 3, call -> {});
        });
        stateless(
                "dma.unmapRefusesAPartOfAMap",
                swallowing("dmaUnmap", call -> call.wide(0) == IOVA && call.wide(1) == 2 * PAGE, call -> {}));
        faults.put("dma.unmapMakesRoomForAnother", () -> {
            int[] maps = {0};
            return swallowing("dmaMap", call -> call.wide(1) == 16 * PAGE && ++maps[0] == 2, call -> {
                throw new ErrnoException(ENOSPC, "map");
            });
        });
    }

    private void featureFaults() {
        stateless(
                "feature.unknownOnesSayENOTTY",
                call -> call.is("feature") && (call.number(0) & 0xffff) == 0xfff0
                        ? Integer.valueOf(0)
                        : call.proceed());
        stateless(
                "feature.refusesFlagsThatAreNotOneOperation",
                call -> call.is("feature") && call.number(0) >>> 24 == 1 ? Integer.valueOf(0) : call.proceed());
        stateless("feature.probeTellsWhatGetDoes", call -> {
            boolean promises = call.is("feature", VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | NO_FEATURE);
            return promises ? Integer.valueOf(0) : call.proceed();
        });
        stateless(
                "feature.busMasterIsTheCommandRegistersBit",
                call -> setsMaster(call, 1) ? Integer.valueOf(0) : call.proceed());
        stateless(
                "feature.busMasterRefusesOtherOps", call -> setsMaster(call, 2) ? Integer.valueOf(0) : call.proceed());
    }

    private interface Change<T> {
        T of(T old);
    }

    private void region(String rule, int index, Change<VfioRegionInfo> change) {
        stateless(
                rule,
                call -> call.is("regionInfo", index) ? change.of((VfioRegionInfo) call.proceed()) : call.proceed());
    }

    private void irq(String rule, int index, Change<VfioIrqInfo> change) {
        stateless(rule, call -> call.is("irqInfo", index) ? change.of((VfioIrqInfo) call.proceed()) : call.proceed());
    }

    /** A byte that keeps what is written to it. */
    private void kept(String rule, int register) {
        faults.put(rule, () -> {
            int[] value = {-1};
            return call -> {
                if (call.touches("write", register)) {
                    value[0] = call.written(register);
                }
                return value[0] < 0 ? call.proceed() : call.proceedWith(register, old -> value[0]);
            };
        });
    }

    private static VfioDeviceInfo info(Call call, int moreRegions, int moreIrqs, int flags) throws Throwable {
        VfioDeviceInfo old = (VfioDeviceInfo) call.proceed();
        return new VfioDeviceInfo(old.flags() & flags, old.numRegions() + moreRegions, old.numIrqs() + moreIrqs);
    }

    private static boolean setsMaster(Call call, int op) {
        return call.is("feature", VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_BUS_MASTER)
                && call.data(1).get(ValueLayout.JAVA_INT_UNALIGNED, 0) == op;
    }

    /** Where the right device's first or last capability is. */
    private static int capability(Call call, boolean last) {
        int at = byteAt(call, PCI_CAPABILITY_LIST);
        while (last && byteAt(call, at + 1) != 0) {
            at = byteAt(call, at + 1);
        }
        return at;
    }

    private static int msix(Call call) {
        int at = byteAt(call, PCI_CAPABILITY_LIST);
        while (byteAt(call, at) != PCI_CAP_ID_MSIX) {
            at = byteAt(call, at + 1);
        }
        return at;
    }

    private static int byteAt(Call call, int register) {
        java.lang.foreign.MemorySegment data = java.lang.foreign.MemorySegment.ofArray(new byte[1]);
        call.file().read(VFIO_PCI_CONFIG_REGION_INDEX, register, data, 0, 1);
        return data.get(ValueLayout.JAVA_BYTE, 0) & 0xff;
    }
}
