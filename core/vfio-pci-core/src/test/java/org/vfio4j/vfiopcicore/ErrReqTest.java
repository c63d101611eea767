package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfiopcicore.OpenCore.signals;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioIrqSet;

/** The indices without a hardware line (E6). */
class ErrReqTest {

    private final OpenCore disk = OpenCore.disk();

    @AfterEach
    void close() {
        disk.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {VFIO_PCI_ERR_IRQ_INDEX, VFIO_PCI_REQ_IRQ_INDEX})
    void triggersByLoopbackUntilDisabled(int index) {
        disk.disable(index);
        Fd fd = disk.assign(index, 0, 1).getFirst();
        disk.trigger(index, 0);
        disk.file.setIrqs(
                VfioIrqSet.bools(VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 1, List.of(true)));
        disk.file.setIrqs(
                VfioIrqSet.bools(VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 1, List.of(false)));
        assertThat(signals(fd)).isEqualTo(2);
        disk.deassign(index, 0, 1);
        disk.trigger(index, 0);
        assertThat(signals(fd)).isZero();
    }

    @Test
    void anErrorOfTheFunctionReachesTheUser() {
        disk.function.sink.error();
        Fd fd = disk.assign(VFIO_PCI_ERR_IRQ_INDEX, 0, 1).getFirst();
        assertThat(signals(fd)).as("nobody wanted to know").isZero();
        disk.function.sink.error();
        assertThat(signals(fd)).isEqualTo(1);
    }

    @Test
    void aConventionalFunctionReportsNoErrors() {
        try (OpenCore bare = new OpenCore(FakePciFunction.bare())) {
            assertThat(bare.file.irqInfo(VFIO_PCI_ERR_IRQ_INDEX).count()).isZero();
            assertThat(bare.file.irqInfo(VFIO_PCI_REQ_IRQ_INDEX).count()).isEqualTo(1);
        }
    }

    @Test
    void requestsReachTheUser() {
        Fd fd = disk.assign(VFIO_PCI_REQ_IRQ_INDEX, 0, 1).getFirst();
        disk.core.request(0);
        disk.core.request(1);
        assertThat(signals(fd)).isEqualTo(2);
    }

    @Test
    void requestsToAUserThatTakesNoneDoNotFail() {
        disk.core.request(0);
        disk.core.request(1);
    }
}
