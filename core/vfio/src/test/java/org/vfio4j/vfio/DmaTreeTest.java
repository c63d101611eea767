package org.vfio4j.vfio;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

/** Maps by address agree with a sorted map, whatever their sizes and distances, and a change leaves the old tree as it was. */
class DmaTreeTest {

    private static final DmaBacking NOWHERE = new NoBacking();

    @Test
    void anEmptyTreeHasNothing() {
        assertThat(DmaTree.EMPTY.find(0)).isNull();
        assertThat(DmaTree.EMPTY.find(-1)).isNull();
    }

    @Test
    void neighboursOfOneByteAreToldApart() {
        DmaTree tree = DmaTree.EMPTY;
        List<DmaMap> maps = new ArrayList<>();
        for (long iova : new long[] {0, 1, 15, 16, 255, 256, -1, -2, Long.MAX_VALUE, Long.MIN_VALUE}) {
            maps.add(map(iova, 1));
            tree = tree.plus(maps.getLast());
        }
        for (DmaMap map : maps) {
            assertThat(tree.find(map.iova)).isSameAs(map);
        }
        assertThat(tree.find(2)).isNull();
        assertThat(tree.find(-3)).isNull();
    }

    @Test
    void aMapOfMostOfTheSpaceLeavesTheRestToOthers() {
        DmaMap low = map(0, 3);
        DmaMap large = map(3, -10);
        DmaMap high = map(-7, 7);
        for (List<DmaMap> order :
                List.of(List.of(low, large, high), List.of(large, high, low), List.of(high, low, large))) {
            DmaTree tree = DmaTree.EMPTY;
            for (DmaMap map : order) {
                tree = tree.plus(map);
            }
            assertThat(tree.find(2)).isSameAs(low);
            assertThat(tree.find(3)).isSameAs(large);
            assertThat(tree.find(-8)).isSameAs(large);
            assertThat(tree.find(-7)).isSameAs(high);
            assertThat(tree.minus(large).find(1L << 50)).isNull();
        }
    }

    @RepeatedTest(20)
    void agreesWithASortedMap(RepetitionInfo repetition) {
        Random random = new Random(repetition.getCurrentRepetition());
        TreeMap<Long, DmaMap> model = new TreeMap<>(Long::compareUnsigned);
        DmaTree tree = DmaTree.EMPTY;
        // Small scales make neighbours, large ones distances; a few bases make clusters.
        long[] bases = random.longs(4).toArray();
        bases[0] = 0;
        bases[1] = -(1L << 20);
        for (int round = 0; round < 1500; round++) {
            if (model.size() > 60 || (!model.isEmpty() && random.nextInt(3) == 0)) {
                Map.Entry<Long, DmaMap> victim = model.floorEntry(bases[random.nextInt(4)] + random.nextInt(1 << 20));
                DmaMap gone = (victim == null ? model.firstEntry() : victim).getValue();
                model.remove(gone.iova);
                tree = tree.minus(gone);
            } else {
                long iova = bases[random.nextInt(4)] + (random.nextLong() >>> (24 + random.nextInt(40)));
                DmaMap added = map(iova, 1 + (random.nextLong() >>> (20 + random.nextInt(44))));
                if (isFree(model, added)) {
                    model.put(iova, added);
                    tree = tree.plus(added);
                }
            }
            assertSame(tree, model, random);
        }
        DmaTree full = tree;
        TreeMap<Long, DmaMap> all = new TreeMap<>(model);
        for (DmaMap map : all.values()) {
            tree = tree.minus(map);
        }
        assertSame(tree, new TreeMap<>(Long::compareUnsigned), random);
        assertSame(full, model, random);
    }

    private static void assertSame(DmaTree tree, TreeMap<Long, DmaMap> model, Random random) {
        for (DmaMap map : model.values()) {
            check(tree, model, map.iova);
            check(tree, model, map.iova - 1);
            check(tree, model, map.last());
            check(tree, model, map.last() + 1);
            check(tree, model, map.iova + (random.nextLong() >>> 1) % map.sizeBytes);
        }
        check(tree, model, random.nextLong());
        check(tree, model, 0);
    }

    private static void check(DmaTree tree, TreeMap<Long, DmaMap> model, long address) {
        Map.Entry<Long, DmaMap> entry = model.floorEntry(address);
        DmaMap expected = entry != null && entry.getValue().contains(address) ? entry.getValue() : null;
        if (tree.find(address) != expected) {
            assertThat(tree.find(address))
                    .describedAs("at 0x" + Long.toHexString(address))
                    .isSameAs(expected);
        }
    }

    private static boolean isFree(TreeMap<Long, DmaMap> model, DmaMap map) {
        Map.Entry<Long, DmaMap> neighbour = model.floorEntry(map.last());
        return Long.compareUnsigned(map.last(), map.iova) >= 0
                && (neighbour == null
                        || Long.compareUnsigned(neighbour.getValue().last(), map.iova) < 0);
    }

    private static DmaMap map(long iova, long sizeBytes) {
        return new DmaMap(iova, sizeBytes, 3, NOWHERE);
    }

    private static final class NoBacking implements DmaBacking {

        @Override
        public boolean isRemote() {
            return false;
        }

        @Override
        public int read(long offset, long hostAddress, long length) {
            return 0;
        }

        @Override
        public int write(long offset, long hostAddress, long length) {
            return 0;
        }

        @Override
        public void close() {}
    }
}
