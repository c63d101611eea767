package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

/** Declared registers and what accesses of any width do to them. */
class RegisterSetTest {

    @Test
    void refusesRegistersThatOverlap() {
        assertThatThrownBy(() -> RegisterSet.of(8, Register.at(0, 4, "a"), Register.at(3, 1, "b")))
                .hasMessage("registers a and b both cover byte 3");
    }

    @Test
    void refusesRegistersOutsideTheSpace() {
        assertThatThrownBy(() -> RegisterSet.of(8, Register.at(6, 4, "late")))
                .hasMessage("register late at 6 of 4 bytes: the space has 8");
        assertThatThrownBy(() -> Register.at(0, 9, "wide")).hasMessageContaining("1 to 8");
    }

    @Test
    void readsZeroBetweenRegistersAndPastTheEnd() {
        RegisterSet set = RegisterSet.of(
                6, Register.at(1, 1, "a").reset(0xaa), Register.at(4, 2, "b").reset(0xbbcc));
        assertThat(set.read(0, 4)).isEqualTo(0xaa00);
        assertThat(set.read(4, 4)).isEqualTo(0xbbcc);
        set.write(0, 8, -1);
        assertThat(set.read(0, 8)).isEqualTo(0xbbcc_0000_aa00L);
    }

    @Test
    void changesWritableBitsOnly() {
        RegisterSet set =
                RegisterSet.of(4, Register.at(0, 4, "r").reset(0x1234_5678).writable(0x00ff_00ff));
        set.write(0, 4, 0xffff_ffffL);
        assertThat(set.read(0, 4)).isEqualTo(0x12ff_56ff);
        set.write(2, 1, 0);
        assertThat(set.read(0, 4)).isEqualTo(0x1200_56ff);
        set.reset();
        assertThat(set.read(0, 4)).isEqualTo(0x1234_5678);
    }

    @Test
    void clearsBitsThatAreWrittenAsOne() {
        RegisterSet set =
                RegisterSet.of(2, Register.at(0, 2, "status").reset(0xf0f).writeOneToClear(0xf00));
        set.write(0, 1, 0xff);
        assertThat(set.read(0, 2)).isEqualTo(0xf0f);
        set.write(1, 1, 0x3);
        assertThat(set.read(0, 2)).isEqualTo(0xc0f);
    }

    @Test
    void readsSelfClearingBitsAsZero() {
        List<Long> seen = new ArrayList<>();
        RegisterSet set = RegisterSet.of(
                2, Register.at(0, 2, "r").writable().selfClearing(0x8000).onWrite(seen::add));
        set.write(0, 2, 0x8001);
        assertThat(seen).containsExactly(0x8001L);
        assertThat(set.read(0, 2)).isEqualTo(1);
    }

    @Test
    void mergesPartialWritesWithComputedValues() {
        AtomicLong value = new AtomicLong(0x1111_2222_3333_4444L);
        RegisterSet set = RegisterSet.of(
                8, Register.at(0, 8, "r").computed(value::get).writable().onWrite(value::set));
        set.write(4, 4, 0xaaaa_bbbbL);
        assertThat(value).hasValue(0xaaaa_bbbb_3333_4444L);
        assertThat(set.read(2, 4)).isEqualTo(0xbbbb_3333L);
    }

    @Test
    void writesTheLowerOfTwoRegistersFirst() {
        List<String> order = new ArrayList<>();
        RegisterSet set = RegisterSet.of(
                8,
                Register.at(4, 4, "high").writable().onWrite(value -> order.add("high " + value)),
                Register.at(0, 4, "low").writable().onWrite(value -> order.add("low " + value)));
        set.write(0, 8, 0x2_0000_0001L);
        assertThat(order).containsExactly("low 1", "high 2");
    }

    @Test
    void doesNotTouchReadOnlyRegisters() {
        List<Long> seen = new ArrayList<>();
        RegisterSet set = RegisterSet.of(4, Register.at(0, 4, "r").reset(5).onWrite(seen::add));
        set.write(0, 4, 9);
        assertThat(seen).isEmpty();
    }
}
