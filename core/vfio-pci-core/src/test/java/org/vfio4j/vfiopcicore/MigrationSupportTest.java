package org.vfio4j.vfiopcicore;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.bus.DmaSpace.READ;
import static org.vfio4j.bus.DmaSpace.WRITE;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfiopcicore.FakePciFunction.EXP;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Mapping;
import org.vfio4j.vfio.IoAddressSpace;

/** What the core gives a driver that migrates: the count of resets, and a log of what the function writes. */
class MigrationSupportTest {

    private static final int PAGE = 4096;

    private final OpenCore disk = OpenCore.disk();

    @AfterEach
    void close() {
        disk.close();
    }

    @Test
    void countsTheResetsOfEachKind() {
        assertThat(disk.core.resets()).isZero();
        disk.config(EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
        assertThat(disk.core.resets()).isEqualTo(1);
        disk.file.reset();
        assertThat(disk.core.resets()).isEqualTo(2);
        disk.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
        assertThat(disk.core.resets()).isEqualTo(2);
    }

    @Test
    void logsWhatTheFunctionWrites() {
        MemorySegment data = Arena.ofAuto().allocate(64);
        try (IoAddressSpace memory = new IoAddressSpace(8)) {
            memory.map(0, READ | WRITE, Mapping.anonymous(8 * PAGE));
            disk.file.attach(memory);
            disk.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
            data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingControl.PAGE_SIZE, PAGE);
            disk.file.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START, data);
            try (DmaWindow window = Objects.requireNonNull(disk.function.space).openWindow()) {
                window.enter();
                long host = window.translate(3 * PAGE, PAGE, READ);
                assertThat(window.write(PAGE, host, 8)).isZero();
                window.markDirty(5 * PAGE - 1, 2);
                window.leave();
            }
            data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.LENGTH, 8 * PAGE);
            data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.IOVA, 0);
            data.set(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.PAGE_SIZE, PAGE);
            assertThat(disk.file.feature(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, data))
                    .isEqualTo(FeatureDmaLoggingReport.SIZEOF + Long.BYTES);
            assertThat(data.get(JAVA_LONG_UNALIGNED, FeatureDmaLoggingReport.BITMAP))
                    .isEqualTo(1L << 1 | 1L << 4 | 1L << 5);
            disk.file.detach();
        }
    }
}
