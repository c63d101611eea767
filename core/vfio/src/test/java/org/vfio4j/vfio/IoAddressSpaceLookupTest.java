package org.vfio4j.vfio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.bus.DmaSpace.READ;
import static org.vfio4j.bus.DmaSpace.WRITE;
import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.ENOENT;

import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.Mapping;

/**
 * A window translates as a sorted map does, while maps of mapped memory come and go: single pages side by side, which are found by
 * their number, larger and odd ones between them, at both ends of the address space and in its middle.
 */
class IoAddressSpaceLookupTest {

    private static final int PAGE = 4096;
    private static final int MAX_MAPS = 3000;
    private static final int ROUNDS = 6000;
    private static final long[] BASES = {0, 1L << 32, (1L << 32) + (1L << 28) - (1L << 20), 1L << 40, -(1L << 21)};

    private record Known(long iova, long bytes, int access, long host) {

        boolean contains(long address) {
            return Long.compareUnsigned(address - iova, bytes) < 0;
        }
    }

    private final TreeMap<Long, Known> model = new TreeMap<>(Long::compareUnsigned);

    @RepeatedTest(4)
    void translatesAsAModelDoes(RepetitionInfo repetition) {
        Random random = new Random(repetition.getCurrentRepetition());
        try (IoAddressSpace space = new IoAddressSpace(MAX_MAPS);
                DmaWindow window = space.openWindow()) {
            int found = 0;
            for (int round = 0; round < ROUNDS; round++) {
                // More come than go at first, later more go.
                if (random.nextInt(5) < (round < 2 * ROUNDS / 3 ? 1 : 3)) {
                    unmap(space, random);
                } else {
                    map(space, random);
                }
                window.enter();
                for (int i = 0; i < 20; i++) {
                    found += check(window, random) > 0 ? 1 : 0;
                }
                window.leave();
            }
            assertThat(found).isGreaterThan(2 * ROUNDS);
        }
    }

    private void map(IoAddressSpace space, Random random) {
        long iova = address(random) & (random.nextInt(50) == 0 ? -8 : -PAGE);
        long bytes = switch (random.nextInt(50)) {
            case 0 -> PAGE * (1 + random.nextLong(40));
            case 1 -> 1 + random.nextLong(2 * PAGE);
            case 2, 3 -> 2 * PAGE;
            default -> PAGE;
        };
        int access = new int[] {READ, WRITE, READ | WRITE, READ | WRITE}[random.nextInt(4)];
        long last = iova + bytes - 1;
        Map.Entry<Long, Known> neighbour = model.floorEntry(last);
        boolean free = neighbour == null
                || Long.compareUnsigned(neighbour.getKey() + neighbour.getValue().bytes - 1, iova) < 0;
        if (free && Long.compareUnsigned(last, iova) >= 0 && model.size() < MAX_MAPS) {
            Mapping memory = Mapping.anonymous(bytes);
            space.map(iova, access, memory);
            model.put(iova, new Known(iova, bytes, access, memory.address()));
        }
    }

    private void unmap(IoAddressSpace space, Random random) {
        Map.Entry<Long, Known> victim = model.floorEntry(address(random));
        if (victim != null) {
            space.unmap(victim.getKey(), victim.getValue().bytes);
            model.remove(victim.getKey());
        }
    }

    private long check(DmaWindow window, Random random) {
        long iova = address(random);
        long length = switch (random.nextInt(8)) {
            case 0 -> 1 + random.nextLong(3 * PAGE);
            case 1 -> PAGE - (iova & (PAGE - 1));
            case 2 -> PAGE - (iova & (PAGE - 1)) + 1;
            case 3 -> Long.MAX_VALUE - random.nextInt(PAGE);
            default -> 1 + random.nextInt(64);
        };
        int access = 1 + random.nextInt(3);
        long expected = expected(iova, length, access);
        long translated = window.translate(iova, length, access);
        if (translated != expected) {
            assertThat(translated)
                    .describedAs("0x%x, %d bytes, access %d", iova, length, access)
                    .isEqualTo(expected);
        }
        return translated;
    }

    private long expected(long iova, long length, int access) {
        Known first = at(iova);
        Known next = first;
        long at = iova;
        long left = length;
        while (true) {
            if (next == null) {
                return -ENOENT;
            }
            if ((next.access & access) != access) {
                return -EACCES;
            }
            left -= next.bytes - (at - next.iova);
            if (left <= 0) {
                return next.equals(first) ? first.host + (iova - first.iova) : 0;
            }
            at = next.iova + next.bytes;
            next = at == 0 ? null : at(at);
        }
    }

    private Known at(long address) {
        Map.Entry<Long, Known> entry = model.floorEntry(address);
        return entry != null && entry.getValue().contains(address) ? entry.getValue() : null;
    }

    // In 512 pages from each base on, so that there are many single pages in a node.
    private static long address(Random random) {
        return BASES[random.nextInt(BASES.length)] + random.nextInt(512 * PAGE);
    }
}
