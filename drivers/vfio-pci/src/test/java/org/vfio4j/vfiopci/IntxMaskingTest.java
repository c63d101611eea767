package org.vfio4j.vfiopci;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.devicemodel.EmulatedFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfiopcifacts.PciFactsTable;

/** Where INTx is masked: in the function too, or only where it arrives, by the function, its facts and {@code nointxmask}. */
class IntxMaskingTest {

    private static final int ON = PCI_COMMAND_MEMORY;
    private static final int OFF = PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE;

    private final EmulatedFunction function = new EmulatedFunctionBuilder(TestMachine.VENDOR, TestMachine.PF_DEVICE)
            .classCode(0x020000, 1)
            .intx()
            .msi(1)
            .build(new TestMachine.Nothing());

    @Test
    void aUsersIntxDisableReachesTheFunctionAndItsStatusIsTheFunctionsOwn() {
        try (LocalDeviceFile file = open(new TestMachine(), function, "");
                Fd event = assign(file)) {
            command(file, OFF);
            assertThat(isDisabledInFunction()).isTrue();
            assertMasked(file, event);
            assertThat(isDisabledInFunction()).isFalse();
        }
    }

    @Test
    void withNointxmaskTheFunctionIsLeftAlone() {
        try (LocalDeviceFile file = open(new TestMachine("nointxmask"), function, "");
                Fd event = assign(file)) {
            command(file, OFF);
            assertThat(isDisabledInFunction()).isFalse();
            assertMasked(file, event);
        }
    }

    @Test
    void aFunctionWhoseFactsSayThatItCannotBeMaskedIsLeftAlone() {
        try (LocalDeviceFile file = open(new TestMachine(), function, "*:* brokenIntxMasking=yes");
                Fd event = assign(file)) {
            command(file, OFF);
            assertThat(isDisabledInFunction()).isFalse();
            assertMasked(file, event);
        }
    }

    @Test
    void whatTheUserSaysHoldsOnWhenMessagesEnd() {
        try (LocalDeviceFile file = open(new TestMachine(), function, "")) {
            messages(file, 1);
            assertThat(isDisabledInFunction()).as("messages instead of the pin").isTrue();
            command(file, OFF);
            messages(file, 0);
            assertThat(isDisabledInFunction()).as("disabled by the user").isTrue();
            messages(file, 1);
            command(file, ON);
            assertThat(isDisabledInFunction()).as("messages again").isTrue();
            messages(file, 0);
            assertThat(isDisabledInFunction()).isFalse();
        }
    }

    @Test
    void aResetKeepsWhatTheUserHasSaid() {
        try (LocalDeviceFile file = open(new TestMachine(), function, "")) {
            command(file, OFF);
            file.reset();
            assertThat(isDisabledInFunction()).isTrue();
        }
        assertThat(isDisabledInFunction()).as("the next user's").isFalse();
    }

    /** The function asserts its pin while INTx is disabled, and is heard when it is enabled again. */
    private void assertMasked(LocalDeviceFile file, Fd event) {
        function.interrupts().intx(true);
        assertThat(EventFd.drain(event.value())).as("while disabled").isNotPositive();
        assertThat(status(file)).isEqualTo(PCI_STATUS_INTERRUPT);
        command(file, ON);
        assertThat(EventFd.drain(event.value())).as("enabled again").isEqualTo(1);
        function.interrupts().intx(false);
        assertThat(status(file)).isZero();
    }

    private boolean isDisabledInFunction() {
        return (function.configRead(PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE) != 0;
    }

    private static LocalDeviceFile open(TestMachine machine, EmulatedFunction function, String facts) {
        machine.bus.provide(PciFactsTable.class, PciFactsTable.EMPTY.with("test", facts.getBytes(UTF_8)));
        PciDevice device = machine.bus.add(PciAddress.parse("08:00.0"), function);
        return machine.registry.open(machine.bind(device).toString());
    }

    private static Fd assign(LocalDeviceFile file) {
        Fd event = EventFd.create();
        file.setIrqs(VfioIrqSet.eventFds(
                VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                VFIO_PCI_INTX_IRQ_INDEX,
                0,
                1,
                List.of(event.dup())));
        return event;
    }

    private static void messages(LocalDeviceFile file, int count) {
        int trigger = VFIO_IRQ_SET_ACTION_TRIGGER;
        file.setIrqs(
                count == 0
                        ? VfioIrqSet.none(VFIO_IRQ_SET_DATA_NONE | trigger, VFIO_PCI_MSI_IRQ_INDEX, 0, 0)
                        : VfioIrqSet.eventFds(
                                VFIO_IRQ_SET_DATA_EVENTFD | trigger,
                                VFIO_PCI_MSI_IRQ_INDEX,
                                0,
                                count,
                                List.of(EventFd.create())));
    }

    private static void command(LocalDeviceFile file, int value) {
        file.write(VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, MemorySegment.ofArray(new int[] {value}), 0, 2);
    }

    private static int status(LocalDeviceFile file) {
        MemorySegment buffer = MemorySegment.ofArray(new int[1]);
        file.read(VFIO_PCI_CONFIG_REGION_INDEX, PCI_STATUS, buffer, 0, 2);
        return buffer.get(ValueLayout.JAVA_INT, 0) & PCI_STATUS_INTERRUPT;
    }
}
