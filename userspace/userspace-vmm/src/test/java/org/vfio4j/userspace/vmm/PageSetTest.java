package org.vfio4j.userspace.vmm;

import static java.lang.foreign.ValueLayout.JAVA_LONG_UNALIGNED;
import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** Which pages are to be sent, and in which runs. */
class PageSetTest {

    private static final long PAGE = GuestMemory.PAGE_BYTES;
    private static final GuestMemory.Range LOW = new GuestMemory.Range(0, 4 << 20);
    private static final GuestMemory.Range HIGH = new GuestMemory.Range(1L << 40, 2 << 20);

    private final PageSet pages = new PageSet(List.of(LOW, HIGH));

    @Test
    void allOfItIsOneRunForEachRange() {
        pages.addAll();
        assertThat(runs()).containsExactly("0+4194304", "10000000000+2097152");
        assertThat(pages.bytes()).isEqualTo(LOW.sizeBytes() + HIGH.sizeBytes());
        pages.clear();
        assertThat(runs()).isEmpty();
        assertThat(pages.bytes()).isZero();
    }

    @Test
    void aBitmapStandsForPagesFromItsAddressOn() {
        MemorySegment bitmap = MemorySegment.ofArray(new byte[64]);
        bitmap.set(JAVA_LONG_UNALIGNED, 0, 0b1101);
        pages.addBitmap(2 << 20, bitmap);
        assertThat(runs()).containsExactly("200000+4096", "202000+8192");
    }

    @Test
    void runsAreWhatWasAdded() {
        Random random = new Random(1);
        for (int round = 0; round < 200; round++) {
            TreeSet<Long> added = new TreeSet<>();
            for (int i = random.nextInt(400); i > 0; i--) {
                GuestMemory.Range range = random.nextBoolean() ? LOW : HIGH;
                long page = range.iova() + PAGE * random.nextInt((int) (range.sizeBytes() / PAGE));
                added.add(page);
                pages.add(page + random.nextInt((int) PAGE));
            }
            List<Long> named = new ArrayList<>();
            long[] end = {-1};
            pages.forEachRun((iova, length) -> {
                assertThat(iova).as("runs do not touch").isNotEqualTo(end[0]);
                end[0] = iova + length == LOW.sizeBytes() ? -1 : iova + length;
                for (long at = iova; at < iova + length; at += PAGE) {
                    named.add(at);
                }
            });
            assertThat(named).containsExactlyElementsOf(added);
            assertThat(pages.bytes()).isEqualTo(added.size() * PAGE);
            pages.clear();
        }
    }

    private List<String> runs() {
        List<String> runs = new ArrayList<>();
        pages.forEachRun((iova, length) -> runs.add(Long.toHexString(iova) + "+" + length));
        return runs;
    }
}
