package org.vfio4j.i40evfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.ENOSPC;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;

/** Pages by address, as a guest names them. */
class PageSetTest {

    private static final long PAGE = PageSet.PAGE_BYTES;

    private final PageSet pages = new PageSet();

    @Test
    void aPageThatReachesOutOfTheRangeStays() {
        pages.add(10 * PAGE, 3 * PAGE);
        assertThat(take(10 * PAGE + 512, 2 * PAGE)).containsExactly(10 * PAGE, 11 * PAGE, 12 * PAGE);
        assertThat(take(0, 100 * PAGE)).containsExactly(10 * PAGE, 12 * PAGE);
        assertThat(take(0, 100 * PAGE)).isEmpty();
        pages.add(10 * PAGE, 1);
        assertThat(take(10 * PAGE + 1, 1)).containsExactly(10 * PAGE);
        assertThat(take(10 * PAGE, PAGE)).containsExactly(10 * PAGE);
        assertThat(take(10 * PAGE, PAGE)).isEmpty();
    }

    @Test
    void theLastPageOfTheAddressSpaceIsAsGoodAsOthers() {
        pages.add(-PAGE, PAGE);
        assertThat(take(-2 * PAGE, 2 * PAGE)).containsExactly(-PAGE);
        assertThat(take(-2 * PAGE, 2 * PAGE)).isEmpty();
    }

    @Test
    void addressesEverywhereFillItAndNotTheHeap() {
        for (long i = 0; i <= PageSet.MAX_CHUNKS; i++) {
            pages.add(i << 40, 1);
        }
        assertThatThrownBy(() -> take(0, PAGE))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(ENOSPC));
    }

    private List<Long> take(long iova, long bytes) {
        List<Long> taken = new ArrayList<>();
        pages.takeFrom(iova, bytes, taken::add);
        return taken;
    }
}
