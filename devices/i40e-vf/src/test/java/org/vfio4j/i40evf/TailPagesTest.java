package org.vfio4j.i40evf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.vfio4j.avfdriver.AvfRegisters;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/** Tail registers that a user has mapped. */
class TailPagesTest {

    private final NetworkLink link = new NetworkLink();

    @Test
    void withoutBeingAskedForThereIsNoMemoryBehindTheBar() {
        try (Nic nic = new Nic(link.addPort(), 1)) {
            assertThat(nic.function.barMemory(0)).isEmpty();
        }
    }

    @Test
    void theMemoryCannotBeTakenAway() {
        try (Nic nic = new Nic(link.addPort(), 1, I40eVf.Builder::mappableTails)) {
            BarMemory memory = nic.function.barMemory(0).orElseThrow();
            assertThatThrownBy(() -> FileIo.truncate(memory.fd(), 0)).isInstanceOf(ErrnoException.class);
        }
    }

    @Test
    void framesMoveWithoutASingleTrappedWriteOfATail() {
        try (Nic sender = new Nic(link.addPort(), 1, I40eVf.Builder::mappableTails);
                Nic receiver = new Nic(link.addPort(), 2, I40eVf.Builder::mappableTails);
                Mapping tx = map(sender);
                Mapping rx = map(receiver)) {
            sender.start();
            receiver.start();
            sender.driver.moveTo(mapped(sender, tx));
            receiver.driver.moveTo(mapped(receiver, rx));
            for (int i = 0; i < 3 * Nic.RING; i++) {
                sender.tx.send(sender.frameTo(receiver, 60, i));
                assertThat(receiver.rx.receive()).isEqualTo(sender.frameTo(receiver, 60, i));
            }
        }
    }

    @Test
    void trappedAndMappedAccessesSeeTheSameRegisters() {
        try (Nic nic = new Nic(link.addPort(), 1, I40eVf.Builder::mappableTails);
                Mapping memory = map(nic)) {
            nic.write(0x2004, 17);
            assertThat(RawMemory.getInt(memory.address() + 0x2004)).isEqualTo(17);
            RawMemory.putInt(memory.address() + 0x2004, 18);
            assertThat(nic.read(0x2004)).isEqualTo(18);
            nic.vf.quiesce();
            byte[] state = nic.vf.save();
            nic.function.reset();
            assertThat(nic.read(0x2004)).isZero();
            nic.vf.quiesce();
            nic.vf.load(state);
            assertThat(RawMemory.getInt(memory.address() + 0x2004)).isEqualTo(18);
        }
    }

    private static Mapping map(Nic nic) {
        BarMemory memory = nic.function.barMemory(0).orElseThrow();
        assertThat(memory.areas()).containsExactly(new BarMemory.Area(0, 0x1000), new BarMemory.Area(0x2000, 0x1000));
        return Mapping.shared(memory.fd(), memory.offset(), 0x3000, Mapping.PROT_READ | Mapping.PROT_WRITE);
    }

    /** Tails by the mapping, all else by traps, as a virtual machine does it. */
    private static AvfRegisters mapped(Nic nic, Mapping memory) {
        AvfRegisters trapped = AvfRegisters.of(nic.function);
        return new AvfRegisters() {
            @Override
            public int read(int offset) {
                return trapped.read(offset);
            }

            @Override
            public void write(int offset, int value) {
                if (offset < 0x3000) {
                    RawMemory.putIntRelease(memory.address() + offset, value);
                } else {
                    trapped.write(offset, value);
                }
            }
        };
    }
}
