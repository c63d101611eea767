package org.vfio4j.vfiolinux;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_FEATURE;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.uapi.VfioKernel;
import org.vfio4j.uapi.VfioUser.DeviceFeature;
import org.vfio4j.vfio.VfioMigrationState;

/** {@code struct vfio_device_feature} as the kernel gets it, where it is other than what the interface has. */
class DeviceFeaturesTest {

    private static final int GET = VFIO_DEVICE_FEATURE_GET;
    private static final int SET = VFIO_DEVICE_FEATURE_SET;

    private final FakeKernel kernel = new FakeKernel();
    private final MigrationData stream = new MigrationData("0000:00:04.0");
    private final DeviceFeatures features = new DeviceFeatures("0000:00:04.0", kernel, stream);

    @AfterEach
    void close() {
        stream.close();
    }

    @Test
    void rejectsARangeListThatIsCutShort() {
        MemorySegment data = data(FeatureDmaLoggingControl.SIZEOF + FeatureDmaLoggingControl.RANGE_SIZEOF);
        data.set(JAVA_INT_UNALIGNED, FeatureDmaLoggingControl.NUM_RANGES, 2);
        assertThatThrownBy(() -> features.use(SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, data))
                .hasMessageContaining("32 bytes of data, 48 needed")
                .hasMessageContaining("EINVAL");
    }

    @Test
    void aRefusalNamesTheFeature() {
        assertThatThrownBy(() -> features.use(GET | VFIO_DEVICE_FEATURE_MIGRATION, data(8)))
                .hasMessage("0000:00:04.0: device feature 1 flags 0x10001: ENOTTY (Inappropriate ioctl for device)");
    }

    @Test
    void rejectsAnEndlessRangeList() {
        MemorySegment data = data(FeatureDmaLoggingControl.SIZEOF);
        data.set(JAVA_INT_UNALIGNED, FeatureDmaLoggingControl.NUM_RANGES, -1);
        assertThatThrownBy(() -> features.use(SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, data))
                .hasMessageContaining("EINVAL");
    }

    @Test
    void startsALogWithAPointerToItsRanges() {
        AtomicInteger lengths = new AtomicInteger();
        kernel.on(VFIO_DEVICE_FEATURE, structure -> {
            assertThat(structure.byteSize())
                    .isEqualTo(DeviceFeature.SIZEOF + VfioKernel.FeatureDmaLoggingControl.SIZEOF);
            MemorySegment control = structure.asSlice(DeviceFeature.DATA);
            long ranges = control.get(JAVA_LONG, VfioKernel.FeatureDmaLoggingControl.RANGES);
            int count = control.get(JAVA_INT, VfioKernel.FeatureDmaLoggingControl.NUM_RANGES);
            for (int i = 0; i < count; i++) {
                lengths.addAndGet((int) RawMemory.getLong(ranges + 16L * i + 8));
            }
            control.set(JAVA_LONG, VfioKernel.FeatureDmaLoggingControl.PAGE_SIZE, 8192);
        });
        MemorySegment data = data(FeatureDmaLoggingControl.SIZEOF + 2 * FeatureDmaLoggingControl.RANGE_SIZEOF);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.PAGE_SIZE, 4096);
        data.set(JAVA_INT_UNALIGNED, FeatureDmaLoggingControl.NUM_RANGES, 2);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.RANGES + 8, 0x10000);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.RANGES + 24, 0x20000);
        assertThat(features.use(SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, data))
                .isZero();
        assertThat(lengths).hasValue(0x30000);
        assertThat(data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.PAGE_SIZE))
                .isEqualTo(8192);
        assertThat(features.isLogging()).isTrue();
    }

    @Test
    void putsTheBitmapBehindAReport() {
        kernel.on(VFIO_DEVICE_FEATURE, structure -> {
            MemorySegment report = structure.asSlice(DeviceFeature.DATA);
            long bitmap = report.get(JAVA_LONG, VfioKernel.FeatureDmaLoggingReport.BITMAP);
            RawMemory.putLong(bitmap, 5);
            RawMemory.putLong(bitmap + 8, 1);
        });
        MemorySegment data = data(FeatureDmaLoggingReport.BITMAP + 24);
        data.fill((byte) -1);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.IOVA, 0x100000);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.LENGTH, 65 * 4096);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.PAGE_SIZE, 4096);
        assertThat(features.use(GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, data))
                .isEqualTo(FeatureDmaLoggingReport.BITMAP + 16);
        assertThat(data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.BITMAP))
                .isEqualTo(5);
        assertThat(data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.BITMAP + 8))
                .isEqualTo(1);
        assertThat(data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.BITMAP + 16))
                .isEqualTo(-1);
    }

    @Test
    void rejectsAReportWithoutRoomForItsBitmap() {
        MemorySegment data = data(FeatureDmaLoggingReport.BITMAP + 8);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.LENGTH, 65 * 4096);
        data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.PAGE_SIZE, 4096);
        assertThatThrownBy(() -> features.use(GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, data))
                .hasMessageContaining("32 bytes of data, 40 needed");
    }

    @Test
    void keepsTheDescriptorOfMigrationData() {
        kernel.on(VFIO_DEVICE_FEATURE, structure -> {
            try (Fd memory = MemFd.create("state", 3)) {
                // The kernel's would be open for whoever asked.
                int number = memory.dup().value();
                structure.set(JAVA_INT, DeviceFeature.DATA + FeatureMigState.DATA_FD, number);
            }
        });
        setState(VfioMigrationState.STOP_COPY);
        MemorySegment read = data(8);
        assertThat(stream.read(read, 0, 8)).isEqualTo(3);
        kernel.on(VFIO_DEVICE_FEATURE, structure -> {});
        setState(VfioMigrationState.STOP_COPY);
        assertThat(stream.read(read, 0, 8)).as("the same stream, at its end").isZero();
        setState(VfioMigrationState.STOP);
        assertThatThrownBy(() -> stream.read(read, 0, 8)).hasMessageContaining("EINVAL");
    }

    private void setState(VfioMigrationState state) {
        MemorySegment data = data(FeatureMigState.SIZEOF);
        data.set(JAVA_INT_UNALIGNED, FeatureMigState.DEVICE_STATE, state.ordinal());
        features.use(SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data);
        assertThat(data.get(JAVA_INT_UNALIGNED, FeatureMigState.DATA_FD)).isEqualTo(-1);
    }

    @Test
    void aProbeHasNoData() {
        kernel.on(VFIO_DEVICE_FEATURE, structure -> {});
        int flags = VFIO_DEVICE_FEATURE_PROBE | GET | VFIO_DEVICE_FEATURE_MIGRATION;
        assertThat(features.use(flags, MemorySegment.NULL)).isZero();
        assertThat(kernel.last()).hasSize(DeviceFeature.SIZEOF);
    }

    @Test
    void aWakeupTakesADescriptorOver() {
        long before = OpenFiles.eventFds();
        kernel.on(VFIO_DEVICE_FEATURE, structure -> {
            int number = structure.get(JAVA_INT, DeviceFeature.DATA + LowPowerEntryWithWakeup.WAKEUP_EVENTFD);
            assertThat(number).isPositive();
        });
        int flags = SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
        features.use(flags, data(LowPowerEntryWithWakeup.SIZEOF), EventFd.create());
        assertThat(kernel.requests).hasSize(1);
        assertThatThrownBy(() -> features.use(SET | VFIO_DEVICE_FEATURE_MIGRATION, data(8), EventFd.create()))
                .hasMessageContaining("EINVAL");
        assertThat(OpenFiles.eventFds()).isEqualTo(before);
    }

    @Test
    void doesNotAskForADescriptorThatItCouldNotHandOver() {
        kernel.on(VFIO_DEVICE_FEATURE, structure -> {});
        assertThatThrownBy(() -> features.use(GET | VFIO_DEVICE_FEATURE_DMA_BUF, data(64)))
                .hasMessageContaining("ENOTTY");
        int probe = VFIO_DEVICE_FEATURE_PROBE | GET | VFIO_DEVICE_FEATURE_DMA_BUF;
        assertThatThrownBy(() -> features.use(probe, MemorySegment.NULL)).hasMessageContaining("ENOTTY");
        assertThat(kernel.requests).isEmpty();
    }

    @Test
    void aWakeupNeedsADescriptor() {
        kernel.on(VFIO_DEVICE_FEATURE, structure -> {});
        int flags = SET | VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP;
        assertThatThrownBy(() -> features.use(flags, data(LowPowerEntryWithWakeup.SIZEOF)))
                .hasMessage(
                        "0000:00:04.0: device feature 4 flags 0x20004 needs a descriptor, an eventfd: EINVAL (Invalid"
                                + " argument)");
        assertThat(kernel.requests).isEmpty();
        assertThat(features.use(VFIO_DEVICE_FEATURE_PROBE | flags, MemorySegment.NULL))
                .isZero();
        assertThat(kernel.requests).hasSize(1);
    }

    @Test
    void theKernelDoesNotGetDataThatNobodyKnows() {
        kernel.on(VFIO_DEVICE_FEATURE, structure -> {});
        for (int unknown : new int[] {VFIO_DEVICE_FEATURE_ZPCI_ERROR + 1, VFIO_DEVICE_FEATURE_MASK}) {
            for (int how : new int[] {GET, SET, VFIO_DEVICE_FEATURE_PROBE | GET, VFIO_DEVICE_FEATURE_PROBE | SET}) {
                assertThatThrownBy(() -> features.use(how | unknown, data(64)))
                        .hasMessageContaining("device feature " + unknown)
                        .hasMessageContaining("ENOTTY");
            }
        }
        assertThat(kernel.requests).isEmpty();
        assertThat(features.use(GET | VFIO_DEVICE_FEATURE_ZPCI_ERROR, data(64))).isEqualTo(64);
    }

    private static MemorySegment data(int bytes) {
        return MemorySegment.ofArray(new byte[bytes]);
    }
}
