package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.bus.PciBar.Kind.IO;
import static org.vfio4j.bus.PciBar.Kind.MEM32;
import static org.vfio4j.bus.PciBar.Kind.MEM64;

import org.junit.jupiter.api.Test;

/** PCI Local Bus 3.0, 6.2.5.1: what a base address register can be. */
class PciBarTest {

    @Test
    void refusesSizesThatNoRegisterCanSay() {
        assertRefused(0, 0, MEM32, false);
        assertRefused(0, 8, MEM32, false);
        assertRefused(0, 24, MEM32, false);
        assertRefused(0, 2, IO, false);
        assertRefused(0, 1L << 32, MEM32, false);
    }

    @Test
    void refusesA64BitBarWithoutANeighbour() {
        assertRefused(5, 4096, MEM64, false);
        assertRefused(6, 4096, MEM32, false);
        assertRefused(-1, 4096, MEM32, false);
    }

    @Test
    void refusesPrefetchableIoSpace() {
        assertRefused(0, 64, IO, true);
    }

    @Test
    void lowBitsSayTheKind() {
        assertThat(new PciBar(0, 4, IO, false).flags()).isEqualTo(1);
        assertThat(new PciBar(0, 16, MEM32, false).flags()).isZero();
        assertThat(new PciBar(0, 16, MEM32, true).flags()).isEqualTo(8);
        assertThat(new PciBar(4, 1L << 40, MEM64, true).flags()).isEqualTo(0xc);
    }

    private static void assertRefused(int index, long size, PciBar.Kind kind, boolean prefetchable) {
        assertThatThrownBy(() -> new PciBar(index, size, kind, prefetchable))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("BAR " + index);
    }
}
