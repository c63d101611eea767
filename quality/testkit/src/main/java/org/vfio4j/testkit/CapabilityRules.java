package org.vfio4j.testkit;

import static org.vfio4j.testkit.DeviceUnderTest.CONFIG;
import static org.vfio4j.testkit.DeviceUnderTest.expect;
import static org.vfio4j.testkit.DeviceUnderTest.hex;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_MSIX_IRQ_INDEX;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_MSI_IRQ_INDEX;

import java.util.HashSet;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/** The capabilities in configuration space: their chains, their headers, and what MSI and MSI-X say about vectors. */
final class CapabilityRules {

    private static final int FIRST = 0x40;
    private static final int FIRST_EXTENDED = 0x100;
    private static final int CONFIG_END = 4096;

    private CapabilityRules() {}

    static void add(BiConsumer<String, Consumer<DeviceUnderTest>> rules) {
        rules.accept("capabilities.chainEnds", CapabilityRules::chainEnds);
        rules.accept("capabilities.statusBitTellsOfThem", CapabilityRules::statusBit);
        rules.accept("capabilities.headersAreReadOnly", CapabilityRules::headersAreReadOnly);
        rules.accept("capabilities.extendedChainEnds", CapabilityRules::extendedChainEnds);
        rules.accept("capabilities.msixTableLiesInItsBar", CapabilityRules::msixTable);
        rules.accept("capabilities.vectorsAreAsManyAsIrqInfoSays", CapabilityRules::vectorCounts);
    }

    private static void chainEnds(DeviceUnderTest device) {
        Set<Integer> seen = new HashSet<>();
        for (int at = device.config(PCI_CAPABILITY_LIST, 1); at != 0; at = device.config(at + 1, 1)) {
            expect(at >= FIRST && at % 4 == 0, "a capability is said to be at " + hex(at));
            expect(seen.add(at), "the chain comes back to " + hex(at));
        }
    }

    private static void statusBit(DeviceUnderTest device) {
        boolean told = (device.config(PCI_STATUS, 2) & PCI_STATUS_CAP_LIST) != 0;
        int first = device.config(PCI_CAPABILITY_LIST, 1);
        expect(
                told == (first != 0),
                "the status bit is " + (told ? "set" : "clear") + ", the pointer is " + hex(first));
    }

    private static void headersAreReadOnly(DeviceUnderTest device) {
        for (int at : device.capabilities()) {
            int before = device.config(at, 2);
            device.setConfig(at, 2, ~before);
            int after = device.config(at, 2);
            expect(before == after, "the header at " + hex(at) + " was " + hex(before) + " and became " + hex(after));
        }
    }

    private static void extendedChainEnds(DeviceUnderTest device) {
        device.applicable(device.file().regionInfo(CONFIG).sizeBytes() == CONFIG_END);
        Set<Integer> seen = new HashSet<>();
        int at = FIRST_EXTENDED;
        while (at != 0) {
            expect(at >= FIRST_EXTENDED && at % 4 == 0, "an extended capability is said to be at " + hex(at));
            expect(seen.add(at), "the chain comes back to " + hex(at));
            int header = device.config(at, 4);
            expect(header != -1, "the extended capability at " + hex(at) + " reads as ones");
            at = header >>> 20;
        }
    }

    private static void msixTable(DeviceUnderTest device) {
        int msix = device.capability(PCI_CAP_ID_MSIX);
        device.applicable(msix != 0);
        int vectors = (device.config(msix + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
        expectInBar(device, "table", device.config(msix + PCI_MSIX_TABLE, 4), 16L * vectors);
        expectInBar(device, "PBA", device.config(msix + PCI_MSIX_PBA, 4), (vectors + 63) / 64 * 8L);
    }

    private static void expectInBar(DeviceUnderTest device, String what, int register, long bytes) {
        int bar = register & 7;
        long offset = register & 0xffff_fff8L;
        long size = device.file().regionInfo(bar).sizeBytes();
        expect(
                offset + bytes <= size,
                "the " + what + " of " + bytes + " bytes at " + hex(offset) + " leaves BAR " + bar + ", size "
                        + hex(size));
    }

    private static void vectorCounts(DeviceUnderTest device) {
        int msix = device.capability(PCI_CAP_ID_MSIX);
        int msi = device.capability(PCI_CAP_ID_MSI);
        int ofMsix = msix == 0 ? 0 : (device.config(msix + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1;
        int ofMsi = msi == 0 ? 0 : 1 << ((device.config(msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_QMASK) >> 1);
        int pin = device.config(PCI_INTERRUPT_PIN, 1) == 0 ? 0 : 1;
        expectVectors(device, VFIO_PCI_MSIX_IRQ_INDEX, ofMsix);
        expectVectors(device, VFIO_PCI_MSI_IRQ_INDEX, ofMsi);
        expectVectors(device, 0, pin);
    }

    private static void expectVectors(DeviceUnderTest device, int index, int expected) {
        int count = device.file().irqInfo(index).count();
        expect(
                count == expected,
                "irq index " + index + " has " + count + " vectors, configuration space says " + expected);
    }
}
