package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLongArray;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** The bits of a log: what is marked is named once, nothing else is, and nothing is lost between threads. */
class DirtyLogTest {

    private static final long PAGE = 4096;

    private final DirtyLog log = new DirtyLog(PAGE);

    @Test
    void saysSoWhenItIsFull() {
        for (long chunk = 0; chunk < DirtyLog.MAX_CHUNKS; chunk++) {
            log.mark(chunk << 40, 1);
        }
        assertThat(read(0, 0)).containsExactly(0L);
        log.mark(-1, 1);
        assertThatThrownBy(() -> read(0, 0))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOSPC));
    }

    @Test
    void aNewLogIsEmpty() {
        assertThat(read(0, -1)).isEmpty();
    }

    @Test
    void namesEachPageThatAWriteTouches() {
        log.mark(3 * PAGE - 1, 2);
        log.mark(-1, 1);
        assertThat(read(0, -1)).containsExactlyInAnyOrder(2 * PAGE, 3 * PAGE, -PAGE);
        assertThat(read(0, -1)).isEmpty();
    }

    @Test
    void forgetsWhatIsInTheRangeOnly() {
        log.mark(0, 10 * PAGE);
        assertThat(read(2 * PAGE, 4 * PAGE - 1)).containsExactly(2 * PAGE, 3 * PAGE);
        assertThat(read(0, 10 * PAGE - 1)).hasSize(8).doesNotContain(2 * PAGE, 3 * PAGE);
    }

    @Test
    void aPageThatReachesOutOfTheRangeIsNamedAndStays() {
        DirtyLog large = new DirtyLog(16 * PAGE);
        large.mark(0, 48 * PAGE);
        assertThat(read(large, 8 * PAGE, 40 * PAGE - 1)).containsExactly(0L, 16 * PAGE, 32 * PAGE);
        assertThat(read(large, 0, 48 * PAGE - 1)).containsExactly(0L, 32 * PAGE);
        assertThat(read(large, 0, 48 * PAGE - 1)).isEmpty();
    }

    @Test
    void agreesWithASet() {
        Random random = new Random(4711);
        TreeSet<Long> model = new TreeSet<>();
        for (int round = 0; round < 2000; round++) {
            long base = (long) random.nextInt(4) << (20 + 10 * random.nextInt(4));
            long page = base + random.nextInt(20_000);
            int pages = 1 + (random.nextBoolean() ? random.nextInt(3) : random.nextInt(9000));
            if (random.nextInt(3) != 0) {
                log.mark(page * PAGE, pages * PAGE);
                for (long i = page; i < page + pages; i++) {
                    model.add(i);
                }
            } else {
                assertThat(readPages(page, page + pages)).isEqualTo(takeFrom(model, page, page + pages));
            }
        }
        assertThat(readPages(0, 1L << 52)).isEqualTo(model);
    }

    @Test
    void losesNoWriteThatIsMarkedWhileItIsRead() throws Exception {
        int pages = 2;
        int rounds = 30_000;
        long writes = 40;
        AtomicLongArray memory = new AtomicLongArray(pages * 16);
        long[] copy = new long[pages * 16];
        AtomicInteger begun = new AtomicInteger();
        AtomicInteger ended = new AtomicInteger();
        CompletableFuture<Void> writer = CompletableFuture.runAsync(() -> {
            for (int round = 1; round <= rounds; round++) {
                awaitAtLeast(begun, round);
                for (long i = 1; i <= writes; i++) {
                    int page = (int) (i % pages) * 16;
                    memory.setPlain(page, round * writes + i);
                    log.mark(page * PAGE, PAGE);
                }
                ended.set(round);
            }
        });
        for (int round = 1; round <= rounds; round++) {
            begun.set(round);
            boolean last;
            do {
                last = ended.get() == round;
                log.readAndClear(0, 32 * PAGE - 1, address -> {
                    int page = (int) (address / PAGE);
                    copy[page] = memory.getPlain(page);
                });
            } while (!last);
            for (int page = 0; page < copy.length; page += 16) {
                if (copy[page] != memory.get(page)) {
                    assertThat(copy[page]).describedAs("page " + page).isEqualTo(memory.get(page));
                }
            }
        }
        writer.get(60, TimeUnit.SECONDS);
    }

    private static void awaitAtLeast(AtomicInteger counter, int value) {
        while (counter.get() < value) {
            Thread.onSpinWait();
        }
    }

    @Test
    void markingAgainAllocatesNothing() {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long thread = Thread.currentThread().threadId();
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 20 && least != 0; round++) {
            long before = threads.getThreadAllocatedBytes(thread);
            for (int i = 0; i < 10_000; i++) {
                log.mark(i * 512L, 4096);
            }
            least = Math.min(least, threads.getThreadAllocatedBytes(thread) - before);
        }
        assertThat(least).isZero();
    }

    private static TreeSet<Long> takeFrom(TreeSet<Long> model, long from, long to) {
        TreeSet<Long> taken = new TreeSet<>(model.subSet(from, to));
        model.removeAll(taken);
        return taken;
    }

    private TreeSet<Long> readPages(long from, long to) {
        TreeSet<Long> pages = new TreeSet<>();
        log.readAndClear(
                from * PAGE,
                to * PAGE - 1,
                page -> assertThat(pages.add(page >>> 12)).isTrue());
        return pages;
    }

    private List<Long> read(long iova, long last) {
        return read(log, iova, last);
    }

    private static List<Long> read(DirtyLog from, long iova, long last) {
        List<Long> pages = new ArrayList<>();
        from.readAndClear(iova, last, pages::add);
        return pages;
    }
}
