package org.vfio4j.testkit;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.testkit.DeviceUnderTest.errnoOf;
import static org.vfio4j.testkit.DeviceUnderTest.expect;
import static org.vfio4j.testkit.DeviceUnderTest.expectErrno;
import static org.vfio4j.testkit.DeviceUnderTest.hex;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/** DEVICE_FEATURE: flags and probing of any feature, and BUS_MASTER. */
final class FeatureRules {

    private static final int GET = VFIO_DEVICE_FEATURE_GET;
    private static final int SET = VFIO_DEVICE_FEATURE_SET;
    private static final int PROBE = VFIO_DEVICE_FEATURE_PROBE;
    private static final int NO_FEATURE = 0xfff0;
    private static final int KNOWN_FEATURES = 14;

    private FeatureRules() {}

    static void add(BiConsumer<String, Consumer<DeviceUnderTest>> rules) {
        rules.accept("feature.unknownOnesSayENOTTY", FeatureRules::unknown);
        rules.accept("feature.refusesFlagsThatAreNotOneOperation", FeatureRules::flags);
        rules.accept("feature.probeTellsWhatGetDoes", FeatureRules::probe);
        rules.accept("feature.busMasterIsTheCommandRegistersBit", FeatureRules::busMaster);
        rules.accept("feature.busMasterRefusesOtherOps", FeatureRules::busMasterOps);
    }

    static int feature(DeviceUnderTest device, int flags, MemorySegment data) {
        return device.file().feature(flags, data);
    }

    static boolean has(DeviceUnderTest device, int index) {
        return errnoOf(() -> feature(device, PROBE | index, MemorySegment.ofArray(new byte[0]))) == 0;
    }

    private static void unknown(DeviceUnderTest device) {
        MemorySegment data = MemorySegment.ofArray(new byte[64]);
        for (int operation : new int[] {GET, SET, PROBE, PROBE | GET}) {
            expectErrno(
                    "feature " + hex(NO_FEATURE) + ", flags " + hex(operation),
                    () -> feature(device, operation | NO_FEATURE, data),
                    ENOTTY);
        }
    }

    private static void flags(DeviceUnderTest device) {
        MemorySegment data = MemorySegment.ofArray(new byte[64]);
        for (int index = 0; index < KNOWN_FEATURES; index++) {
            if (has(device, index)) {
                for (int wrong : new int[] {0, GET | SET, GET | 1 << 19, PROBE | 1 << 24}) {
                    int flags = wrong | index;
                    expectErrno("feature flags " + hex(flags), () -> feature(device, flags, data), EINVAL);
                }
            }
        }
    }

    private static void probe(DeviceUnderTest device) {
        for (int index = 0; index < KNOWN_FEATURES; index++) {
            int probed = PROBE | GET | index;
            int asked = GET | index;
            MemorySegment data = MemorySegment.ofArray(new byte[64]);
            if (errnoOf(() -> feature(device, probed, MemorySegment.ofArray(new byte[0]))) == 0) {
                int errno = errnoOf(() -> feature(device, asked, data));
                expect(errno != ENOTTY, "GET of feature " + index + ", which PROBE promises: ENOTTY");
            } else {
                expectErrno(
                        "GET of feature " + index + ", which PROBE denies",
                        () -> feature(device, asked, data),
                        EINVAL,
                        ENOTTY);
            }
        }
    }

    private static void busMaster(DeviceUnderTest device) {
        device.applicable(has(device, VFIO_DEVICE_FEATURE_BUS_MASTER));
        for (int op : new int[] {VFIO_DEVICE_FEATURE_SET_MASTER, VFIO_DEVICE_FEATURE_CLEAR_MASTER}) {
            feature(device, SET | VFIO_DEVICE_FEATURE_BUS_MASTER, number(op));
            int command = device.config(PCI_COMMAND, 2);
            expect(
                    ((command & PCI_COMMAND_MASTER) != 0) == (op == VFIO_DEVICE_FEATURE_SET_MASTER),
                    "op " + op + " leaves the command register at " + hex(command));
        }
    }

    private static void busMasterOps(DeviceUnderTest device) {
        device.applicable(has(device, VFIO_DEVICE_FEATURE_BUS_MASTER));
        for (int op : new int[] {2, -1}) {
            expectErrno(
                    "BUS_MASTER op " + op,
                    () -> feature(device, SET | VFIO_DEVICE_FEATURE_BUS_MASTER, number(op)),
                    EINVAL);
        }
    }

    private static MemorySegment number(int value) {
        MemorySegment data = MemorySegment.ofArray(new byte[4]);
        data.set(ValueLayout.JAVA_INT_UNALIGNED, 0, value);
        return data;
    }
}
