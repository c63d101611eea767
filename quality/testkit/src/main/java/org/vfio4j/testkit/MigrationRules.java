package org.vfio4j.testkit;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOMSG;
import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.testkit.DeviceUnderTest.errnoOf;
import static org.vfio4j.testkit.DeviceUnderTest.expect;
import static org.vfio4j.testkit.DeviceUnderTest.expectErrno;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfio.VfioMigrationState.*;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioMigrationState;

/** Live migration: the state machine of enum vfio_device_mig_state (linux/vfio.h), and what may be read and written where. */
final class MigrationRules {

    private static final int FLAG_STOP_COPY = 1;
    private static final int FLAG_P2P = 2;
    private static final int FLAG_PRE_COPY = 4;
    private static final int CHUNK = 1 << 16;
    private static final int MOST_BYTES = 1 << 28;

    private MigrationRules() {}

    static void add(BiConsumer<String, Consumer<DeviceUnderTest>> rules) {
        rules.accept("migration.aDeviceWithoutItSaysENOTTY", MigrationRules::without);
        rules.accept("migration.canStopAndCopy", MigrationRules::flags);
        rules.accept("migration.aDeviceRunsAtFirst", MigrationRules::runsAtFirst);
        rules.accept("migration.refusesStatesThatAreNoTarget", MigrationRules::targets);
        rules.accept("migration.everyPairOfStatesAsTheTableSays", MigrationRules::pairs);
        rules.accept("migration.dataIsReadInStopCopyAndPreCopyOnly", MigrationRules::readOnlyWhereItBelongs);
        rules.accept("migration.dataIsWrittenInResumingOnly", MigrationRules::writeOnlyWhereItBelongs);
        rules.accept("migration.theStreamHasAnEnd", MigrationRules::streamEnds);
        rules.accept("migration.takesBackWhatItGave", MigrationRules::roundTrip);
        rules.accept("migration.refusesACutStream", MigrationRules::cut);
        rules.accept("migration.refusesGarbage", MigrationRules::garbage);
        rules.accept("migration.resetLeadsToRunning", MigrationRules::reset);
    }

    private static void without(DeviceUnderTest device) {
        device.applicable(!FeatureRules.has(device, VFIO_DEVICE_FEATURE_MIGRATION));
        MemorySegment data = MemorySegment.ofArray(new byte[16]);
        expectErrno("read of migration data", () -> device.file().migrationRead(data, 0, 16), ENOTTY);
        expectErrno("write of migration data", () -> device.file().migrationWrite(data, 0, 16), ENOTTY);
    }

    private static void flags(DeviceUnderTest device) {
        int flags = migrationFlags(device);
        expect((flags & FLAG_STOP_COPY) != 0, "migration flags " + flags + " without STOP_COPY");
    }

    private static void runsAtFirst(DeviceUnderTest device) {
        migrationFlags(device);
        expectState(device, RUNNING, "at first");
    }

    private static void targets(DeviceUnderTest device) {
        int flags = migrationFlags(device);
        for (int target : new int[] {ERROR.ordinal(), values().length, 0xabcd, -1}) {
            expectErrno("a way to state " + target, () -> set(device, target), EINVAL);
        }
        for (VfioMigrationState state : values()) {
            if (!supported(state, flags)) {
                expectErrno("a way to " + state + " of a device with flags " + flags, () -> go(device, state), EINVAL);
            }
        }
        expectState(device, RUNNING, "after refusals");
    }

    private static void pairs(DeviceUnderTest device) {
        int flags = migrationFlags(device);
        byte[] saved = save(device);
        for (VfioMigrationState from : values()) {
            for (VfioMigrationState to : values()) {
                if (!supported(from, flags)) {
                    continue;
                }
                enter(device, from, saved);
                boolean intoPreCopy = to == PRE_COPY || to == PRE_COPY_P2P;
                boolean legal = supported(to, flags) && !(from == STOP_COPY && intoPreCopy);
                if (legal) {
                    int errno = errnoOf(() -> go(device, to));
                    expect(errno == 0, from + " to " + to + ": refused with " + org.vfio4j.sys.Errno.name(errno));
                    expectState(device, to, "after " + from + " to " + to);
                } else {
                    expectErrno(from + " to " + to, () -> go(device, to), EINVAL);
                    expectState(device, from, "after " + from + " to " + to + " was refused");
                }
            }
        }
    }

    private static void readOnlyWhereItBelongs(DeviceUnderTest device) {
        int flags = migrationFlags(device);
        MemorySegment data = MemorySegment.ofArray(new byte[64]);
        for (VfioMigrationState state : values()) {
            if (supported(state, flags)) {
                enter(device, state, new byte[0]);
                boolean belongs = state == STOP_COPY || state == PRE_COPY || state == PRE_COPY_P2P;
                int errno = errnoOf(() -> device.file().migrationRead(data, 0, 64));
                boolean right = belongs ? errno == 0 || (errno == ENOMSG && state != STOP_COPY) : errno == EINVAL;
                expect(right, "read of migration data in " + state + ": " + name(errno));
            }
        }
    }

    private static void writeOnlyWhereItBelongs(DeviceUnderTest device) {
        int flags = migrationFlags(device);
        MemorySegment data = MemorySegment.ofArray(new byte[64]);
        for (VfioMigrationState state : values()) {
            if (supported(state, flags) && state != RESUMING) {
                enter(device, state, new byte[0]);
                expectErrno(
                        "write of migration data in " + state,
                        () -> device.file().migrationWrite(data, 0, 64),
                        EINVAL);
            }
        }
    }

    private static void streamEnds(DeviceUnderTest device) {
        migrationFlags(device);
        save(device);
        expect(
                device.file().migrationRead(MemorySegment.ofArray(new byte[16]), 0, 16) == 0,
                "a read behind the end of the stream gives something");
    }

    private static void roundTrip(DeviceUnderTest device) {
        migrationFlags(device);
        byte[] saved = save(device);
        enter(device, RESUMING, saved);
        go(device, RUNNING);
        byte[] again = save(device);
        expect(
                again.length == saved.length,
                "a state of " + saved.length + " bytes was put back, and is " + again.length + " bytes now");
    }

    private static void cut(DeviceUnderTest device) {
        migrationFlags(device);
        byte[] saved = save(device);
        device.applicable(saved.length > 0);
        expectRefused(device, Arrays.copyOf(saved, saved.length - 1), "the stream without its last byte");
    }

    private static void garbage(DeviceUnderTest device) {
        migrationFlags(device);
        byte[] noise = new byte[256];
        Arrays.fill(noise, (byte) 0xa5);
        expectRefused(device, noise, "256 bytes of 0xa5");
    }

    private static void reset(DeviceUnderTest device) {
        migrationFlags(device);
        for (VfioMigrationState state : new VfioMigrationState[] {STOP, STOP_COPY, RESUMING}) {
            enter(device, state, new byte[0]);
            device.file().reset();
            expectState(device, RUNNING, "after a reset in " + state);
        }
    }

    private static void expectRefused(DeviceUnderTest device, byte[] stream, String what) {
        go(device, RESUMING);
        boolean refused = false;
        try {
            load(device, stream);
            go(device, RUNNING);
        } catch (ErrnoException e) {
            refused = true;
        }
        expect(refused, what + " was taken for a state");
        expect(state(device) != RUNNING, "the device runs on with " + what);
        device.file().reset();
        expectState(device, RUNNING, "after a reset");
    }

    /** Brings the device from wherever it is to {@code state}, by way of a reset; in RESUMING it gets what was saved. */
    private static void enter(DeviceUnderTest device, VfioMigrationState state, byte[] saved) {
        device.file().reset();
        go(device, state);
        if (state == RESUMING) {
            load(device, saved);
        }
    }

    private static byte[] save(DeviceUnderTest device) {
        go(device, STOP_COPY);
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        byte[] chunk = new byte[CHUNK];
        int came;
        do {
            came = device.file().migrationRead(MemorySegment.ofArray(chunk), 0, CHUNK);
            out.write(chunk, 0, came);
            expect(out.size() <= MOST_BYTES, "the stream has not ended after " + out.size() + " bytes");
        } while (came > 0);
        return out.toByteArray();
    }

    private static void load(DeviceUnderTest device, byte[] stream) {
        for (int at = 0; at < stream.length; at += CHUNK) {
            int count = Math.min(CHUNK, stream.length - at);
            device.file().migrationWrite(MemorySegment.ofArray(stream), at, count);
        }
    }

    private static int migrationFlags(DeviceUnderTest device) {
        device.applicable(FeatureRules.has(device, VFIO_DEVICE_FEATURE_MIGRATION));
        MemorySegment data = MemorySegment.ofArray(new byte[8]);
        FeatureRules.feature(device, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, data);
        return data.get(ValueLayout.JAVA_INT_UNALIGNED, 0);
    }

    private static boolean supported(VfioMigrationState state, int flags) {
        boolean p2p = (flags & FLAG_P2P) != 0;
        boolean preCopy = (flags & FLAG_PRE_COPY) != 0;
        return switch (state) {
            case ERROR -> false;
            case RUNNING_P2P -> p2p;
            case PRE_COPY -> preCopy;
            case PRE_COPY_P2P -> preCopy && p2p;
            default -> true;
        };
    }

    private static void go(DeviceUnderTest device, VfioMigrationState state) {
        set(device, state.ordinal());
    }

    private static void set(DeviceUnderTest device, int state) {
        MemorySegment data = MemorySegment.ofArray(new byte[8]);
        data.set(ValueLayout.JAVA_INT_UNALIGNED, 0, state);
        data.set(ValueLayout.JAVA_INT_UNALIGNED, 4, -1);
        FeatureRules.feature(device, VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data);
    }

    private static VfioMigrationState state(DeviceUnderTest device) {
        MemorySegment data = MemorySegment.ofArray(new byte[8]);
        FeatureRules.feature(device, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data);
        return VfioMigrationState.of(data.get(ValueLayout.JAVA_INT_UNALIGNED, 0));
    }

    private static void expectState(DeviceUnderTest device, VfioMigrationState expected, String when) {
        VfioMigrationState seen = state(device);
        expect(seen == expected, "the state is " + seen + " instead of " + expected + " " + when);
    }

    private static String name(int errno) {
        return errno == 0 ? "accepted" : org.vfio4j.sys.Errno.name(errno);
    }
}
