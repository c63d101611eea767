package org.vfio4j.bluefield;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.ENOSPC;

import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;

/** Numbers of 16 bits: the next free one, all of them, and no more. */
class VhcaIdsTest {

    private final VhcaIds ids = new VhcaIds(2);

    @Test
    void oneThatWasGivenBackIsUsedAgainWhenTheOthersAre() {
        assertThat(ids.take()).isEqualTo(2);
        ids.giveBack(2);
        for (int id = 3; id < 1 << 16; id++) {
            assertThat(ids.take()).isEqualTo(id);
        }
        assertThat(ids.take()).isEqualTo(2);
    }

    @Test
    void allAreTaken() {
        for (int i = 2; i < 1 << 16; i++) {
            ids.take();
        }
        assertThatThrownBy(ids::take)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(ENOSPC))
                .hasMessageContaining("65536");
        ids.giveBack(1000);
        assertThat(ids.take()).isEqualTo(1000);
    }
}
