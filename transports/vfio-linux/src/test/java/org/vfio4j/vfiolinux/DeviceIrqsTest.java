package org.vfio4j.vfiolinux;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_MASK;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_ACTION_TRIGGER;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_BOOL;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_EVENTFD;
import static org.vfio4j.uapi.Vfio.VFIO_IRQ_SET_DATA_NONE;
import static org.vfio4j.uapi.VfioIoctl.VFIO_DEVICE_SET_IRQS;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;

/** {@code struct vfio_irq_set} as the kernel gets it. */
class DeviceIrqsTest {

    private static final VfioIrqInfo MSIX = new VfioIrqInfo(2, 0, 4);
    private static final int EVENTFDS = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;

    private final FakeKernel kernel = new FakeKernel().on(VFIO_DEVICE_SET_IRQS, structure -> {});

    @Test
    void rejectsVectorsPastTheLast() {
        VfioIrqSet set = VfioIrqSet.eventFds(EVENTFDS, 2, 1, 4, List.of());
        assertThatThrownBy(() -> DeviceIrqs.set(kernel, set, MSIX))
                .hasMessage("set irqs 1 to 4 of index 2: the index has 4 vectors: EINVAL (Invalid argument)");
    }

    @Test
    void rejectsACountBeyondAllLimits() {
        VfioIrqSet set = VfioIrqSet.eventFds(EVENTFDS, 2, 0, -1, List.of());
        assertThatThrownBy(() -> DeviceIrqs.set(kernel, set, MSIX)).hasMessageContaining("EINVAL");
        assertThat(kernel.requests).isEmpty();
    }

    @Test
    void rejectsFewerDescriptorsThanVectors() {
        try (Fd one = EventFd.create()) {
            VfioIrqSet set = VfioIrqSet.eventFds(EVENTFDS, 2, 0, 2, List.of(one));
            assertThatThrownBy(() -> DeviceIrqs.set(kernel, set, MSIX)).hasMessageContaining("1 descriptors");
        }
    }

    @Test
    void fewerVectorsThanAskedForAreNone() {
        KernelCalls scarce = (request, structure) -> 2;
        VfioIrqSet set = VfioIrqSet.eventFds(EVENTFDS, 2, 0, 4, List.of());
        assertThatThrownBy(() -> DeviceIrqs.set(scarce, set, MSIX))
                .hasMessage("set irqs 0 to 3 of index 2: the machine has 2 interrupts left for the device: ENOSPC"
                        + " (No space left on device)");
    }

    @Test
    void givesTheKernelTheNumbersOfDescriptors() {
        try (Fd one = EventFd.create();
                Fd three = EventFd.create()) {
            DeviceIrqs.set(kernel, VfioIrqSet.eventFds(EVENTFDS, 2, 1, 3, List.of(one, Fd.none(), three)), MSIX);
            assertThat(ints()).containsExactly(32, EVENTFDS, 2, 1, 3, one.value(), -1, three.value());
        }
    }

    @Test
    void noDescriptorsTakeThoseOfAllVectorsAway() {
        DeviceIrqs.set(kernel, VfioIrqSet.eventFds(EVENTFDS, 2, 0, 2, List.of()), MSIX);
        assertThat(ints()).containsExactly(28, EVENTFDS, 2, 0, 2, -1, -1);
    }

    @Test
    void withoutDataThereIsTheHeadOnly() {
        int flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER;
        DeviceIrqs.set(kernel, VfioIrqSet.none(flags, 2, 0, 0), MSIX);
        assertThat(ints()).containsExactly(20, flags, 2, 0, 0);
    }

    @Test
    void choicesAreBytes() {
        int flags = VFIO_IRQ_SET_DATA_BOOL | VFIO_IRQ_SET_ACTION_MASK;
        DeviceIrqs.set(kernel, VfioIrqSet.bools(flags, 2, 0, 4, List.of(true, false, false, true)), MSIX);
        assertThat(ints()).containsExactly(24, flags, 2, 0, 4, 0x01000001);
    }

    private int[] ints() {
        ByteBuffer bytes = ByteBuffer.wrap(kernel.last()).order(ByteOrder.LITTLE_ENDIAN);
        int[] ints = new int[bytes.remaining() / Integer.BYTES];
        bytes.asIntBuffer().get(ints);
        return ints;
    }
}
