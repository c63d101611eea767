package org.vfio4j.vfio;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EBADF;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOMSG;
import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfio.VfioMigrationState.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;

/** Migration of an open device (E13): its features, its states and streams, and what ends them. */
class MigrationTest {

    private static final int ALL_FLAGS = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY;
    private static final int LENGTH = FakeMigration.STATE.length;

    private final VfioRegistry registry = new VfioRegistry();
    private final MemorySegment data = Arena.ofAuto().allocate(64);
    private final MemorySegment migState = Arena.ofAuto().allocate(FeatureMigState.SIZEOF);
    private final FakeDeviceOps ops = new FakeDeviceOps();
    private FakeMigration driver = new FakeMigration(ALL_FLAGS);
    private LocalDeviceFile file = open(driver);

    @AfterEach
    void close() {
        file.close();
    }

    @Test
    void aDeviceWithoutMigrationHasNoneOfIt() {
        file.close();
        ops.migration = Optional.empty();
        file = registry.open("vfio0");
        for (int feature : new int[] {1, 2, 9, 12}) {
            assertErrno(ENOTTY, () -> file.feature(VFIO_DEVICE_FEATURE_GET | feature, data));
            assertErrno(ENOTTY, () -> file.feature(VFIO_DEVICE_FEATURE_PROBE | feature, data));
        }
        assertErrno(ENOTTY, () -> file.migrationRead(data, 0, 1));
        assertErrno(ENOTTY, () -> file.migrationWrite(data, 0, 1));
    }

    @Test
    void refusesWhatAFeatureCannotDo() {
        for (int feature : new int[] {VFIO_DEVICE_FEATURE_MIGRATION, VFIO_DEVICE_FEATURE_MIG_DATA_SIZE}) {
            assertErrno(EINVAL, () -> file.feature(VFIO_DEVICE_FEATURE_SET | feature, data));
            int probeBoth = VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
            assertErrno(EINVAL, () -> file.feature(probeBoth | feature, data));
            assertThat(file.feature(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET | feature, data))
                    .isZero();
        }
        for (int feature : new int[] {1, 2, 9}) {
            assertErrno(EINVAL, () -> file.feature(VFIO_DEVICE_FEATURE_GET | feature, data.asSlice(0, 7)));
        }
        assertErrno(EINVAL, () -> file.feature(VFIO_DEVICE_FEATURE_SET | 2, data.asSlice(0, 7)));
    }

    @Test
    void tellsFlagsStateAndSize() {
        assertThat(file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, data))
                .isEqualTo(8);
        assertThat(data.get(JAVA_LONG_UNALIGNED, 0)).isEqualTo(ALL_FLAGS);
        assertThat(file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data))
                .isEqualTo(8);
        assertThat(data.get(JAVA_INT_UNALIGNED, 0)).isEqualTo(2);
        assertThat(data.get(JAVA_INT_UNALIGNED, 4)).isEqualTo(-1);
        assertThat(file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, data))
                .isEqualTo(8);
        assertThat(data.get(JAVA_LONG_UNALIGNED, 0)).isEqualTo(LENGTH);
    }

    @Test
    void refusesStatesThatThereAreNot() {
        for (int state : new int[] {0, 8, 0xabcd, -1}) {
            assertErrno(EINVAL, () -> setState(state));
        }
        file = open(new FakeMigration(VFIO_MIGRATION_STOP_COPY));
        for (VfioMigrationState state : new VfioMigrationState[] {RUNNING_P2P, PRE_COPY, PRE_COPY_P2P}) {
            assertErrno(EINVAL, () -> setState(state));
        }
        assertThat(state()).isEqualTo(RUNNING);
    }

    @Test
    void goesArcByArcAndSaysThatThereIsNoDescriptor() {
        setState(STOP_COPY);
        assertThat(driver.arcs).containsExactly("RUNNING RUNNING_P2P", "RUNNING_P2P STOP", "STOP STOP_COPY");
        assertThat(migState.get(JAVA_INT_UNALIGNED, FeatureMigState.DATA_FD)).isEqualTo(-1);
        assertThat(state()).isEqualTo(STOP_COPY);
        driver.arcs.clear();
        setState(STOP_COPY);
        assertThat(driver.arcs).isEmpty();
        assertErrno(EINVAL, () -> setState(PRE_COPY));
        assertErrno(EINVAL, () -> setState(ERROR));
        assertThat(state()).isEqualTo(STOP_COPY);
    }

    @Test
    void anArcThatFailsLeavesTheStateReached() {
        driver.failingArc = "STOP STOP_COPY";
        assertErrno(EIO, () -> setState(STOP_COPY));
        assertThat(state()).isEqualTo(STOP);
        driver.failingArc = "";
        setState(RUNNING);
        assertThat(state()).isEqualTo(RUNNING);
    }

    @Test
    void aDriverThatGivesNoStreamIsInError() {
        driver.streamlessArc = "STOP STOP_COPY";
        assertErrno(EIO, () -> setState(STOP_COPY));
        assertThat(state()).isEqualTo(ERROR);
    }

    @Test
    void dataIsReadInSavingStatesAndWrittenInResumingOnly() {
        for (VfioMigrationState state : new VfioMigrationState[] {RUNNING, RUNNING_P2P, STOP, RESUMING}) {
            setState(state);
            assertErrno(EINVAL, () -> file.migrationRead(data, 0, 1));
            assertErrno(EINVAL, () -> file.migrationRead(data, 0, 0));
        }
        file.reset();
        for (VfioMigrationState state :
                new VfioMigrationState[] {RUNNING, PRE_COPY, PRE_COPY_P2P, RUNNING_P2P, STOP, STOP_COPY}) {
            setState(state);
            assertErrno(EINVAL, () -> file.migrationWrite(data, 0, 1));
            assertErrno(EINVAL, () -> file.migrationWrite(data, 0, 0));
            assertThat(state()).isEqualTo(state);
        }
        assertThatThrownBy(() -> file.migrationRead(data, 60, 5)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> file.migrationWrite(data, 0, -1)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void oneStreamGoesThroughTheSavingStates() {
        setState(PRE_COPY);
        assertThat(file.migrationRead(data, 0, 3)).isEqualTo(3);
        setState(PRE_COPY_P2P);
        assertThat(file.migrationRead(data, 3, 60)).isEqualTo(1);
        assertErrno(ENOMSG, () -> file.migrationRead(data, 4, 60));
        setState(PRE_COPY);
        setState(STOP_COPY);
        assertThat(file.migrationRead(data, 4, 60)).isEqualTo(LENGTH - 4);
        assertThat(file.migrationRead(data, LENGTH, 1)).isZero();
        assertThat(data.asSlice(0, LENGTH).toArray(JAVA_BYTE)).isEqualTo(FakeMigration.STATE);
        assertThat(driver.streams).hasSize(1);
        assertThat(driver.streams.getFirst().closed).isZero();
        setState(STOP);
        assertThat(driver.streams.getFirst().closed).isEqualTo(1);
    }

    @Test
    void aStreamGivenUpInPreCopyIsClosedAndTheNextBeginsAnew() {
        setState(PRE_COPY);
        file.migrationRead(data, 0, 3);
        setState(RUNNING);
        setState(PRE_COPY);
        assertThat(driver.streams).hasSize(2);
        assertThat(driver.streams.getFirst().closed).isEqualTo(1);
        assertThat(file.migrationRead(data, 0, 4)).isEqualTo(4);
    }

    @Test
    void whatOneDeviceTellsAnotherTakesInPiecesOfAnySize() {
        setState(RESUMING);
        for (int at = 0, piece = 1; at < LENGTH; at += piece, piece = Math.min(piece + 1, LENGTH - at)) {
            data.asSlice(0, LENGTH).copyFrom(MemorySegment.ofArray(FakeMigration.STATE));
            file.migrationWrite(data, at, piece);
        }
        setState(RUNNING);
        assertThat(driver.arcs).endsWith("STOP RESUMING", "RESUMING STOP", "STOP RUNNING_P2P", "RUNNING_P2P RUNNING");
        assertThat(driver.streams.getFirst().taken.toByteArray()).isEqualTo(FakeMigration.STATE);
        assertThat(driver.streams.getFirst().closed).isEqualTo(1);
    }

    @Test
    void aStateThatIsCutShortIsAnErrorUntilReset() {
        setState(RESUMING);
        data.copyFrom(MemorySegment.ofArray(Arrays.copyOf(FakeMigration.STATE, LENGTH)));
        file.migrationWrite(data, 0, LENGTH - 1);
        assertErrno(EINVAL, () -> setState(RUNNING));
        assertStuckUntilReset();
    }

    @Test
    void aStateThatIsWrongIsAnErrorUntilReset() {
        setState(RESUMING);
        data.set(JAVA_BYTE, 0, (byte) 77);
        assertErrno(EINVAL, () -> file.migrationWrite(data, 0, 1));
        assertStuckUntilReset();
    }

    private void assertStuckUntilReset() {
        assertThat(state()).isEqualTo(ERROR);
        assertThat(driver.streams.getFirst().closed).isEqualTo(1);
        for (int state = 0; state < 8; state++) {
            int target = state;
            assertErrno(EINVAL, () -> setState(target));
        }
        assertErrno(EINVAL, () -> file.migrationWrite(data, 0, 1));
        file.reset();
        assertThat(state()).isEqualTo(RUNNING);
        assertThat(driver.streams.getFirst().closed).isEqualTo(1);
    }

    @Test
    void registersRestInStopCopy() {
        setState(STOP_COPY);
        assertErrno(EINVAL, () -> file.read(0, 0, data, 0, 4));
        assertErrno(EINVAL, () -> file.write(0, 0, data, 0, 4));
        assertErrno(EINVAL, () -> file.read(0, 0, data, 0, 0));
        assertThat(file.migrationRead(data, 0, 4)).isEqualTo(4);
        assertThat(file.regionInfo(0).sizeBytes()).isEqualTo(FakeDeviceOps.REGION_BYTES);
        setState(STOP);
        file.read(0, 0, data, 0, 4);
    }

    @Test
    void aResetLeadsBackToRunningFromEverywhere() {
        for (VfioMigrationState state :
                new VfioMigrationState[] {STOP, STOP_COPY, RESUMING, RUNNING_P2P, PRE_COPY, PRE_COPY_P2P}) {
            setState(state);
            file.reset();
            assertThat(state()).isEqualTo(RUNNING);
        }
        assertThat(driver.streams)
                .allSatisfy(stream -> assertThat(stream.closed).isEqualTo(1));
    }

    @Test
    void aResetBehindVfiosBackDoesToo() {
        setState(STOP_COPY);
        driver.resets++;
        file.read(0, 0, data, 0, 4);
        assertThat(state()).isEqualTo(RUNNING);
        setState(PRE_COPY);
        driver.resets++;
        assertErrno(EINVAL, () -> file.migrationRead(data, 0, 1));
        assertThat(driver.streams)
                .allSatisfy(stream -> assertThat(stream.closed).isEqualTo(1));
    }

    @Test
    void precopyInfoIsForPreCopyStatesAlone() {
        assertErrno(EINVAL, this::precopyInfo);
        setState(PRE_COPY);
        assertErrno(EINVAL, () -> file.feature(getPrecopyInfo(), data.asSlice(0, PrecopyInfo.SIZEOF - 1)));
        file.migrationRead(data, 0, 1);
        assertThat(precopyInfo()).isEqualTo(new VfioPrecopyInfo(false, FakeMigration.EARLY - 1, 5));
        setState(STOP_COPY);
        assertErrno(EINVAL, this::precopyInfo);
        file = open(new FakeMigration(VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P));
        assertErrno(EINVAL, this::precopyInfo);
        assertErrno(EINVAL, () -> file.feature(setPrecopyInfo(), data));
        assertErrno(EINVAL, () -> file.feature(VFIO_DEVICE_FEATURE_PROBE | setPrecopyInfo(), data));
    }

    @Test
    void reinitIsToldToAUserThatKnowsIt() {
        setState(PRE_COPY_P2P);
        assertThat(precopyInfo().reinit()).isFalse();
        file.feature(setPrecopyInfo(), MemorySegment.NULL);
        assertThat(precopyInfo().reinit()).isTrue();
        file.userLeft();
        setState(PRE_COPY);
        assertThat(precopyInfo().reinit()).isFalse();
    }

    @Test
    void whatAUserKnowsIsForgottenAlsoWhenTheDeviceCannotBeReset() {
        setState(PRE_COPY_P2P);
        file.feature(setPrecopyInfo(), MemorySegment.NULL);
        ops.failUserLeft = new ErrnoException(EINVAL, "reset");
        file.userLeft();
        assertThat(precopyInfo().reinit()).isFalse();
        assertThat(state()).isEqualTo(PRE_COPY_P2P);
        ops.failUserLeft = null;
        file.clearLeftovers();
        assertThat(state()).isEqualTo(RUNNING);
    }

    @Test
    void theNextUserFindsADeviceThatWorks() {
        for (VfioMigrationState state : new VfioMigrationState[] {RUNNING, RUNNING_P2P, PRE_COPY, PRE_COPY_P2P}) {
            setState(state);
            file.userLeft();
            assertThat(state()).isEqualTo(RUNNING);
        }
        assertThat(ops.log).doesNotContain("reset");
        for (VfioMigrationState state : new VfioMigrationState[] {STOP, STOP_COPY, RESUMING}) {
            ops.log.clear();
            setState(state);
            file.userLeft();
            assertThat(state()).isEqualTo(RUNNING);
            assertThat(ops.log).contains("reset");
        }
    }

    @Test
    void aDeviceThatCannotGoBackIsResetForTheNextUser() {
        setState(PRE_COPY);
        driver.failingArc = "PRE_COPY RUNNING";
        file.userLeft();
        assertThat(ops.log).contains("reset");
        assertThat(state()).isEqualTo(RUNNING);
    }

    @Test
    void closingEndsTheStream() {
        setState(PRE_COPY);
        file.close();
        assertThat(driver.streams.getFirst().closed).isEqualTo(1);
        assertErrno(EBADF, () -> file.migrationRead(data, 0, 1));
        assertErrno(EBADF, file::userLeft);
    }

    private LocalDeviceFile open(FakeMigration migration) {
        if (file != null) {
            file.close();
        }
        registry.devices().forEach(registry::unregister);
        driver = migration;
        ops.migration = Optional.of(migration);
        registry.register(ops, () -> () -> {}, "0000:08:00.0");
        return registry.open("vfio0");
    }

    private VfioMigrationState state() {
        file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, migState);
        return VfioMigrationState.of(migState.get(JAVA_INT_UNALIGNED, 0));
    }

    private void setState(VfioMigrationState state) {
        setState(state.ordinal());
    }

    private void setState(int state) {
        migState.set(JAVA_INT_UNALIGNED, 0, state);
        migState.set(JAVA_INT_UNALIGNED, 4, 0);
        assertThat(file.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, migState))
                .isZero();
    }

    private static int getPrecopyInfo() {
        return VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2;
    }

    private static int setPrecopyInfo() {
        return VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2;
    }

    private VfioPrecopyInfo precopyInfo() {
        return VfioPrecopyInfo.of(file);
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
