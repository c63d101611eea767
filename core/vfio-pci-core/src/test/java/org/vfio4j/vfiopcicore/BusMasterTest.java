package org.vfio4j.vfiopcicore;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.bus.DmaSpace.READ;
import static org.vfio4j.bus.DmaSpace.WRITE;
import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Mapping;
import org.vfio4j.vfio.IoAddressSpace;

/** COMMAND's bus master bit (PCI Local Bus 3.0, 6.2.2) stops the DMA of a function that does not mind it itself. */
class BusMasterTest {

    private static final int PAGE = 4096;
    private static final int ON = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

    private final OpenCore disk = OpenCore.disk();
    private final IoAddressSpace space = new IoAddressSpace(10);
    private final Mapping scratch = Mapping.anonymous(PAGE);
    private DmaWindow window;

    @BeforeEach
    void attach() {
        space.map(0, READ | WRITE, Mapping.anonymous(PAGE));
        disk.file.attach(space);
        window = Objects.requireNonNull(disk.function.space).openWindow();
    }

    @AfterEach
    void detach() {
        window.close();
        disk.close();
        space.close();
        scratch.close();
    }

    @Test
    void afterAnOpenThereIsNoDma() {
        window.enter();
        assertThat(window.translate(0, 8, READ)).isEqualTo(-EACCES);
        assertThat(window.read(0, scratch.address(), 8)).isEqualTo(-EACCES);
        assertThat(window.write(0, scratch.address(), 8)).isEqualTo(-EACCES);
        window.leave();
    }

    @Test
    void theBitOpensAndClosesMemory() {
        disk.config(PCI_COMMAND, 2, ON);
        assertThat(reaches()).isTrue();
        disk.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
        assertThat(reaches()).isFalse();
        disk.config(PCI_COMMAND, 1, ON);
        assertThat(reaches()).isTrue();
        disk.config(PCI_COMMAND + 1, 1, 0);
        assertThat(reaches()).as("the other byte says nothing of it").isTrue();
    }

    @Test
    void theFeatureDoesTheSame() {
        int flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_BUS_MASTER;
        MemorySegment op = Arena.ofAuto().allocateFrom(JAVA_INT, VFIO_DEVICE_FEATURE_SET_MASTER);
        disk.file.feature(flags, op);
        assertThat(reaches()).isTrue();
        op.set(JAVA_INT, 0, VFIO_DEVICE_FEATURE_CLEAR_MASTER);
        disk.file.feature(flags, op);
        assertThat(reaches()).isFalse();
    }

    @Test
    void aResetKeepsWhatTheUserChose() {
        disk.config(PCI_COMMAND, 2, ON);
        disk.file.reset();
        assertThat(reaches()).isTrue();
    }

    @Test
    void inD3hotThereIsNoDma() {
        disk.config(PCI_COMMAND, 2, ON);
        disk.config(FakePciFunction.PM + PCI_PM_CTRL, 2, 3);
        assertThat(reaches()).isFalse();
        disk.config(FakePciFunction.PM + PCI_PM_CTRL, 2, 0);
        assertThat(reaches()).isTrue();
    }

    @Test
    void aThreadInsideItsWindowIsAskedToLeaveAndItsTranslationsAreVoid() {
        disk.config(PCI_COMMAND, 2, ON);
        window.enter();
        long before = window.generation();
        assertThat(window.yieldRequested()).isFalse();
        disk.config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
        assertThat(window.yieldRequested()).isTrue();
        window.leave();
        window.enter();
        assertThat(window.yieldRequested()).isFalse();
        assertThat(window.generation()).isNotEqualTo(before);
        window.leave();
    }

    @Test
    void writingTheSameBitAgainAsksNobodyToLeave() {
        disk.config(PCI_COMMAND, 2, ON);
        window.enter();
        disk.config(PCI_COMMAND, 2, ON | PCI_COMMAND_INTX_DISABLE);
        assertThat(window.yieldRequested()).isFalse();
        window.leave();
    }

    private boolean reaches() {
        window.enter();
        long host = window.translate(0, 8, READ | WRITE);
        int copied = window.write(0, scratch.address(), 8);
        window.leave();
        assertThat(copied == 0).isEqualTo(host > 0);
        return host > 0;
    }
}
