package org.vfio4j.vfio;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.BitSet;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.vfio4j.vfio.VfioLoggingOps.Range;

/** The words of a bitmap, against bits set one by one. */
class DirtyBitmapTest {

    private static final long IOVA = 0x7000_0000L;
    private static final int PAGE = 4096;
    private static final int PAGES = 300;

    @Test
    void setsTheBitsOfEachPageThatHasAByteOfAPiece() {
        SplittableRandom random = new SplittableRandom(42);
        for (int round = 0; round < 2000; round++) {
            byte[] memory = new byte[PAGES / 8 + 16];
            DirtyBitmap bitmap =
                    new DirtyBitmap(new Range(IOVA, (long) PAGES * PAGE), PAGE, MemorySegment.ofArray(memory));
            BitSet expected = new BitSet();
            for (int piece = 0; piece < 3; piece++) {
                long first = random.nextLong(-10L * PAGE, PAGES * (long) PAGE);
                long size = random.nextLong(Math.max(1, -first + 1), 400L * PAGE);
                bitmap.set(IOVA + first, size);
                long last = Math.min((first + size - 1) / PAGE, PAGES - 1);
                expected.set((int) (Math.max(first, 0) / PAGE), (int) last + 1);
            }
            assertThat(BitSet.valueOf(memory)).isEqualTo(expected);
            assertThat(bitmap.isEmpty()).isFalse();
        }
    }

    @Test
    void aWholeBitmapHasNoBitsBehindItsRange() {
        for (int pages : new int[] {1, 63, 64, 65, 127, 128, 129}) {
            byte[] memory = new byte[32];
            DirtyBitmap bitmap =
                    new DirtyBitmap(new Range(IOVA, (long) pages * PAGE), PAGE, MemorySegment.ofArray(memory));
            assertThat(bitmap.isEmpty()).isTrue();
            bitmap.setAll();
            BitSet expected = new BitSet();
            expected.set(0, pages);
            assertThat(BitSet.valueOf(memory)).isEqualTo(expected);
        }
    }
}
