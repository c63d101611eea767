package org.vfio4j.vfio;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.LongUnaryOperator;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.vfio4j.sys.Mapping;

/** What a tree takes, wherever a client puts its maps: memory for each map, nodes on a way, nodes that a change makes. */
class DmaTreeBoundsTest {

    private static final int PAGE = 4096;
    private static final int MAPS = 20_000;
    private static final int MAX_LEVELS = 9;
    private static final long MAX_BYTES_PER_MAP = 600;

    // One memory for all maps: a tree uses none.
    private static final Mapping SMALL = Mapping.anonymous(1);
    private static final Mapping ONE_PAGE = Mapping.anonymous(PAGE);
    private static final Mapping HALF_NODE = Mapping.anonymous(128 * PAGE);

    @AfterAll
    static void unmap() {
        SMALL.close();
        ONE_PAGE.close();
        HALF_NODE.close();
    }

    static Stream<Arguments> layouts() {
        Random random = new Random(1);
        return Stream.of(
                layout("dense", ONE_PAGE, i -> (1L << 32) + i * PAGE),
                layout("over 4 GiB", ONE_PAGE, i -> random.nextLong(1L << 20) * PAGE),
                layout("over the whole space", ONE_PAGE, i -> random.nextLong() & -PAGE),
                layout("at its very end", ONE_PAGE, i -> -(i + 1) * PAGE),
                layout("two for each node", HALF_NODE, i -> i * 128 * PAGE),
                layout("two for each of many nodes far apart", ONE_PAGE, i -> ((i / 2) << 28) + i % 2 * PAGE),
                layout("8 in each of many nodes", ONE_PAGE, i -> ((i / 8) << 20) + i % 8 * 2 * PAGE),
                layout("8 in each of many nodes far apart", ONE_PAGE, i -> ((i / 8) << 28) + i % 8 * 2 * PAGE),
                layout("bytes side by side", SMALL, i -> 0x1234567890abcdefL + i),
                layout("bytes at the end of each page", SMALL, i -> i * PAGE + PAGE - 1),
                layout("a byte for each factor", SMALL, i -> spread(random, 4)),
                layout("a byte for each large factor", SMALL, i -> spread(random, 3)));
    }

    // At each level one of few slots, so that ways are long and nodes have few maps.
    private static long spread(Random random, int of) {
        long iova = random.nextInt(2);
        for (int shift = 4; shift < Long.SIZE; shift += 8) {
            iova |= (long) random.nextInt(of) << shift;
        }
        return iova;
    }

    private static Arguments layout(String name, Mapping memory, LongUnaryOperator iova) {
        TreeSet<Long> iovas = new TreeSet<>();
        LongStream.range(0, MAPS).map(iova).forEach(iovas::add);
        return Arguments.of(
                name, iovas.stream().map(at -> new DmaMap(at, 3, memory)).toList());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("layouts")
    void memoryAndWaysAreBounded(String name, List<DmaMap> maps) {
        List<DmaMap> left = new ArrayList<>(maps);
        Collections.shuffle(left, new Random(2));
        DmaTree tree = DmaTree.EMPTY;
        for (DmaMap map : left) {
            tree = tree.plus(map);
        }
        assertBounded(tree, left.size());
        assertAChangeMakesFewNodes(tree, left);
        // What a client has mapped once must not stay behind its maps.
        for (int n : new int[] {left.size() / 2, left.size() / 8, 1}) {
            while (left.size() > n) {
                tree = tree.minus(left.removeLast());
            }
            assertBounded(tree, n);
            for (DmaMap map : left.subList(0, Math.min(n, 100))) {
                assertThat(tree.find(map.iova)).isSameAs(map);
            }
        }
    }

    @Test
    void whatOneOfTwoNeighboursInEachNodeLeavesIsNotKept() {
        DmaTree tree = DmaTree.EMPTY;
        for (int i = 0; i < 256 * 256; i++) {
            tree = tree.plus(new DmaMap((long) i * PAGE, 3, ONE_PAGE));
        }
        assertThat(nodes(tree)).filteredOn(DmaNode::hasDirect).hasSize(256);
        for (int i = 0; i < 256 * 256; i++) {
            if (i % 256 >= 2) {
                tree = tree.minus(Objects.requireNonNull(tree.find((long) i * PAGE)));
            }
        }
        assertThat(nodes(tree)).noneMatch(DmaNode::hasDirect).allMatch(node -> node.pages.length == 0);
        assertBounded(tree, 512);
    }

    private static void assertBounded(DmaTree tree, int maps) {
        Set<DmaNode> nodes = nodes(tree);
        assertThat(nodes.size()).isLessThan(maps);
        long bytes = nodes.stream().mapToLong(DmaTreeBoundsTest::bytes).sum();
        assertThat(bytes).isLessThanOrEqualTo(MAX_BYTES_PER_MAP * maps);
        assertThat(levels(tree.root())).isLessThanOrEqualTo(MAX_LEVELS);
    }

    private static void assertAChangeMakesFewNodes(DmaTree tree, List<DmaMap> maps) {
        Set<DmaNode> before = nodes(tree);
        for (DmaMap map : maps.subList(0, 20)) {
            Set<DmaNode> made = nodes(tree.minus(map));
            made.removeAll(before);
            assertThat(made.size()).isLessThanOrEqualTo(2 * MAX_LEVELS);
        }
    }

    // Objects, arrays and references as a JVM of less than 32 GiB lays them out.
    private static long bytes(DmaNode node) {
        long own = 56 + 16 + node.slots / 8 + 16 + 4L * node.runs().length;
        return own
                + (node.hasDirect() ? 16 + 8L * node.slots : 0)
                + (node.pages.length == 0 ? 0 : 16 + 4L * node.slots);
    }

    private static int levels(DmaTree.Entry entry) {
        int deepest = 0;
        if (entry instanceof DmaNode node) {
            for (DmaTree.Entry run : node.runs()) {
                deepest = Math.max(deepest, run == null ? 1 : 1 + levels(run));
            }
        }
        return deepest;
    }

    private static Set<DmaNode> nodes(DmaTree tree) {
        Set<DmaNode> found = Collections.newSetFromMap(new IdentityHashMap<>());
        collect(tree.root(), found);
        return found;
    }

    private static void collect(DmaTree.Entry entry, Set<DmaNode> found) {
        if (entry instanceof DmaNode node && found.add(node)) {
            for (DmaTree.Entry run : node.runs()) {
                collect(run, found);
            }
        }
    }
}
