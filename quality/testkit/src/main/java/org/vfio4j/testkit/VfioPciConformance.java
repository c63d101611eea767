package org.vfio4j.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * The contract between a VFIO PCI device and its users, rule by rule: what linux/vfio.h, the kernel's vfio-pci and the vfio-user
 * specification agree on. The author of a driver points it at a device, and each rule that is broken says its name and what was
 * seen:
 *
 * <pre>{@code
 * @TestFactory
 * Stream<DynamicTest> keepsTheContract() {
 *     return VfioPciConformance.rules(this::open).stream()
 *             .map(rule -> DynamicTest.dynamicTest(rule.name(), rule::check));
 * }
 * }</pre>
 *
 * The device is in the suite's hands alone: it is reset, its registers are written, its memory is mapped.
 */
public final class VfioPciConformance {

    private VfioPciConformance() {}

    /**
     * What a device keeps and breaks.
     *
     * @param held names of the rules that it keeps
     * @param broken name and sight of those that it breaks
     * @param silent names of those that say nothing about it
     */
    public record Report(List<String> held, List<String> broken, List<String> silent) {}

    /**
     * The rules for one device.
     *
     * @param opener opens the device, with memory attached that it may master if it is a local one; called for each rule, which
     *     closes what it gets
     */
    public static List<ConformanceRule> rules(Supplier<? extends VfioDeviceFile> opener) {
        List<ConformanceRule> rules = new ArrayList<>();
        BiConsumer<String, Consumer<DeviceUnderTest>> add =
                (name, body) -> rules.add(new ConformanceRule(name, opener, body));
        InfoRules.add(add);
        AccessRules.add(add);
        ConfigRules.add(add);
        CapabilityRules.add(add);
        IrqRules.add(add);
        DmaRules.add(add);
        FeatureRules.add(add);
        MigrationRules.add(add);
        LoggingRules.add(add);
        return rules;
    }

    /** Checks all of them. */
    public static Report check(Supplier<? extends VfioDeviceFile> opener) {
        Report report = new Report(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        for (ConformanceRule rule : rules(opener)) {
            try {
                (rule.check() ? report.held() : report.silent()).add(rule.name());
            } catch (AssertionError e) {
                report.broken().add(e.getMessage());
            }
        }
        return report;
    }
}
