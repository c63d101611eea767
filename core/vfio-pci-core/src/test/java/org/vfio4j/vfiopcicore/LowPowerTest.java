package org.vfio4j.vfiopcicore;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfiopcicore.FakePciFunction.PM;
import static org.vfio4j.vfiopcicore.OpenCore.signals;
import static org.vfio4j.vfiopcicore.Refusals.assertErrno;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;

/** VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, _ENTRY_WITH_WAKEUP and _EXIT. */
class LowPowerTest {

    private static final int ENTRY = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY;
    private static final int ENTRY_WITH_WAKEUP =
            VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
    private static final int EXIT = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;

    private final OpenCore disk = OpenCore.disk();
    private final MemorySegment nothing = MemorySegment.ofArray(new byte[0]);
    private final MemorySegment eight = MemorySegment.ofArray(new byte[8]);
    private final Fd wakeUp = EventFd.create();

    @AfterEach
    void close() {
        disk.close();
        wakeUp.close();
    }

    @Test
    void refusesASecondEntry() {
        disk.file.feature(ENTRY, nothing);
        assertErrno(EINVAL, () -> disk.file.feature(ENTRY, nothing));
        assertErrno(EINVAL, this::enterWithWakeUp);
        assertThat(powerState()).as("still asleep").isEqualTo(3);
    }

    @Test
    void refusesAWakeUpWithoutAnEventFd() {
        assertErrno(EINVAL, () -> disk.file.feature(ENTRY_WITH_WAKEUP, eight));
        assertErrno(EINVAL, () -> disk.file.feature(ENTRY_WITH_WAKEUP, nothing, wakeUp.dup()));
        Fd memory = MemFd.create("no eventfd", 4096);
        assertErrno(EINVAL, () -> disk.file.feature(ENTRY_WITH_WAKEUP, eight, memory));
        assertErrno(EINVAL, () -> disk.file.feature(ENTRY, nothing, wakeUp.dup()));
        int probe = ENTRY_WITH_WAKEUP | VFIO_DEVICE_FEATURE_PROBE;
        assertErrno(EINVAL, () -> disk.file.feature(probe, eight, wakeUp.dup()));
        assertThat(memory.isOpen()).isFalse();
        assertThat(powerState()).isZero();
    }

    @Test
    void hasNothingToRead() {
        for (int index = 3; index <= 5; index++) {
            int get = VFIO_DEVICE_FEATURE_GET | index;
            assertErrno(EINVAL, () -> disk.file.feature(get, eight));
            assertThat(disk.file.feature(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | index, nothing))
                    .isZero();
        }
    }

    @Test
    void anExitWithoutAnEntryIsNoError() {
        disk.file.feature(EXIT, nothing);
        assertThat(powerState()).isZero();
    }

    @Test
    void theNextUserFindsTheFunctionAwake() {
        disk.file.feature(ENTRY, nothing);
        disk.file.userLeft();
        assertThat(powerState()).isZero();
        disk.write(4, 8, 4, 0x1234);
        assertThat(powerState()).as("between operations").isZero();
        enterWithWakeUp();
        disk.file.userLeft();
        assertThat(powerState()).isZero();
    }

    @Test
    void theFunctionSleepsBetweenOperations() {
        disk.write(4, 8, 4, 0x1234);
        disk.file.feature(ENTRY, nothing);
        assertThat(powerState()).isEqualTo(3);
        assertThat(disk.read(4, 8, 4)).isEqualTo(0x1234);
        assertThat(disk.config(PM + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK)
                .as("the user finds it awake")
                .isZero();
        disk.file.reset();
        disk.assign(VFIO_PCI_MSIX_IRQ_INDEX, 0, 1).forEach(Fd::close);
        assertThat(powerState()).isEqualTo(3);
        disk.file.feature(EXIT, nothing);
        assertThat(powerState()).isZero();
        disk.read(4, 8, 4);
        assertThat(powerState()).isZero();
    }

    @Test
    void aFailedOperationLetsItSleepOn() {
        disk.config(PCI_COMMAND, 2, 0);
        disk.file.feature(ENTRY, nothing);
        assertErrno(EIO, () -> disk.read(4, 0, 4));
        assertThat(powerState()).isEqualTo(3);
    }

    @Test
    void aFeatureFindsItAwakeToo() {
        FakePciFunction softReset = FakePciFunction.disk();
        softReset.set(PM + PCI_PM_CTRL, 2, 0);
        softReset.done();
        try (OpenCore other = new OpenCore(softReset)) {
            other.file.feature(ENTRY, nothing);
            MemorySegment op = Arena.ofAuto().allocateFrom(JAVA_INT, VFIO_DEVICE_FEATURE_SET_MASTER);
            other.file.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_BUS_MASTER, op);
            other.file.feature(EXIT, nothing);
            assertThat(other.config(PCI_COMMAND, 2) & PCI_COMMAND_MASTER).isNotZero();
        }
    }

    @Test
    void whatTheUserSleptInIsD0Afterwards() {
        disk.config(PM + PCI_PM_CTRL, 2, 3);
        disk.file.feature(ENTRY, nothing);
        disk.file.feature(EXIT, nothing);
        assertThat(powerState()).isZero();
        assertThat(disk.read(4, 0, 4)).isZero();
    }

    @Test
    void anAccessOfTheUserEndsItWithOneSignal() {
        enterWithWakeUp();
        assertThat(powerState()).isEqualTo(3);
        assertThat(signals(wakeUp)).isZero();
        disk.read(4, 0, 4);
        disk.read(4, 0, 4);
        assertThat(signals(wakeUp)).isEqualTo(1);
        assertThat(powerState()).isZero();
        disk.file.feature(EXIT, nothing);
        assertThat(signals(wakeUp)).isZero();
    }

    @Test
    void anExitSignalsToo() {
        enterWithWakeUp();
        disk.file.feature(EXIT, nothing);
        assertThat(signals(wakeUp)).isEqualTo(1);
        assertThat(powerState()).isZero();
    }

    @Test
    void anInterruptSignalsOnceAndIsDelivered() {
        Fd vector = disk.assign(VFIO_PCI_MSIX_IRQ_INDEX, 0, 1).getFirst();
        enterWithWakeUp();
        disk.function.sink.msi(0);
        disk.function.sink.msi(0);
        assertThat(signals(wakeUp)).isEqualTo(1);
        assertThat(signals(vector)).isEqualTo(2);
        disk.read(4, 0, 4);
        assertThat(signals(wakeUp)).as("it has been told").isZero();
        assertThat(powerState()).isZero();
        disk.function.sink.msi(0);
        assertThat(signals(wakeUp)).isZero();
        assertThat(signals(vector)).isEqualTo(1);
        vector.close();
    }

    @Test
    void aPinWakesWhenItRises() {
        disk.function.sink.intx(true);
        enterWithWakeUp();
        disk.function.sink.intx(true);
        disk.function.sink.intx(false);
        assertThat(signals(wakeUp)).isZero();
        disk.function.sink.intx(true);
        assertThat(signals(wakeUp)).isEqualTo(1);
    }

    @Test
    void aClosedDeviceIsAwakeForTheNextUser() {
        disk.file.feature(ENTRY, nothing);
        disk.file.close();
        assertThat(powerState()).isZero();
    }

    @Test
    void aFunctionWithoutPowerStatesIsAskedNothing() {
        try (OpenCore bare = new OpenCore(FakePciFunction.bare())) {
            bare.file.feature(ENTRY, nothing);
            assertThat(bare.read(0, 0, 4)).isZero();
            bare.file.feature(EXIT, nothing);
        }
    }

    private void enterWithWakeUp() {
        disk.file.feature(ENTRY_WITH_WAKEUP, eight, wakeUp.dup());
    }

    private int powerState() {
        return disk.function.configRead(PM + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK;
    }
}
