package org.vfio4j.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.virtio.VirtioRing.needsEvent;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** Virtual I/O Device 1.2, 2.7.10: whether an event index lies among those that were passed, modulo 65536. */
class VirtioRingTest {

    @Test
    void agreesWithCountingThrough() {
        Random random = new Random(7);
        for (int i = 0; i < 20_000; i++) {
            int before = random.nextInt(0x10000);
            int moved = random.nextInt(300);
            int event = (before + random.nextInt(600) - 300) & 0xffff;
            boolean passed = false;
            for (int at = 0; at < moved; at++) {
                passed |= ((before + at) & 0xffff) == event;
            }
            assertThat(needsEvent(event, (before + moved) & 0xffff, before)).isEqualTo(passed);
        }
    }
}
