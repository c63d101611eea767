package org.vfio4j.virtio;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/** What a queue notes of itself, found by another process at any point. */
class InFlightTest {

    private static final int SIZE = 16;
    private static final int BYTES = (int) InFlight.sizeBytes(SIZE);

    private final Mapping memory = Mapping.anonymous(BYTES);
    private final InFlight notes = new InFlight(memory.address(), SIZE);

    @AfterEach
    void close() {
        memory.close();
    }

    @Test
    void aHeadIsTakenOnce() {
        assertThat(notes.take(3)).isTrue();
        assertThat(notes.take(3)).isFalse();
        notes.giveBack(3);
        assertThat(notes.take(3)).isTrue();
        assertThat(recovered(0)).containsExactly(3);
    }

    @Test
    void whatTheDriverWasToldIsNotInFlightThoughTheProcessDiedBeforeItClearedIt() {
        notes.take(1);
        notes.take(2);
        notes.note(0, 2);
        assertThat(recovered(1)).containsExactly(1);
    }

    @Test
    void whatTheDriverWasNotToldIsInFlightThoughItWasDone() {
        notes.take(1);
        notes.take(2);
        notes.note(0, 2);
        notes.note(1, 1);
        assertThat(recovered(0)).containsExactly(1, 2);
        assertThat(recovered(0)).as("a second time").containsExactly(1, 2);
    }

    @Test
    void aUsedIndexThatTheDeviceNeverWroteIsFound() {
        notes.take(1);
        notes.note(0, 1);
        for (int index = 2; index < 0x10000; index++) {
            assertThat(notes.recover(index)).isEmpty();
        }
        assertThat(recovered(1)).isEmpty();
    }

    @Test
    void indicesGoRound() {
        notes.clear(0xffff);
        notes.take(5);
        notes.take(6);
        notes.note(0xffff, 6);
        notes.note(0, 5);
        assertThat(recovered(0)).containsExactly(5);
        assertThat(recovered(0)).containsExactly(5);
    }

    /** {@code told} clears one byte after the other, then moves its index. */
    @Test
    void clearingThatEndsAnywhereIsDoneAgain() {
        for (int head = 0; head < 6; head++) {
            notes.take(head);
        }
        for (int i = 0; i < 4; i++) {
            notes.note(i, 5 - i);
        }
        byte[] before = image();
        notes.told(4);
        byte[] after = image();
        List<Integer> changed = new ArrayList<>();
        for (int i = 0; i < BYTES; i++) {
            if (before[i] != after[i]) {
                changed.add(i);
            }
        }
        assertThat(changed).hasSize(5);
        // Any of the bytes before the fence, in whatever order, and then the index.
        int index = changed.removeFirst();
        for (int some = 0; some < 1 << changed.size(); some++) {
            byte[] torn = before.clone();
            for (int i = 0; i < changed.size(); i++) {
                if ((some & (1 << i)) != 0) {
                    torn[changed.get(i)] = 0;
                }
            }
            restore(torn);
            assertThat(recovered(4)).containsExactly(0, 1);
        }
        assertThat(index).isLessThan(8);
        restore(after);
        assertThat(recovered(4)).containsExactly(0, 1);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void againstAModelThatIsKilledAtRandom(long seed) {
        Model model = new Model(new Random(seed));
        for (int i = 0; i < 200_000; i++) {
            model.step();
        }
        model.finish();
        assertThat(model.completed).isEqualTo(model.offered).isGreaterThan(10_000);
        assertThat(model.kills).isGreaterThan(1_000);
    }

    /** A driver, its ring, and a device that forgets all that is not noted. */
    private final class Model {

        private final Random random;
        // The driver's: free heads, what it has offered, and what it was told.
        private final ArrayDeque<Integer> free = new ArrayDeque<>();
        private final int[] avail = new int[SIZE];
        private final int[] used = new int[SIZE];
        private final TreeSet<Integer> owned = new TreeSet<>();
        private int availIndex;
        private int toldIndex;
        private int seenIndex;
        private long offered;
        private long completed;
        private long kills;
        // The device's: lost with it.
        private InFlight device = notes;
        private List<Integer> working = new ArrayList<>();
        private int nextAvail;
        private int usedIndex;

        Model(Random random) {
            this.random = random;
            for (int i = 0; i < SIZE; i++) {
                free.add(i);
            }
            device.clear(0);
        }

        void step() {
            switch (random.nextInt(6)) {
                case 0 -> offer();
                case 1 -> take();
                case 2 -> use();
                case 3 -> publish(random.nextBoolean());
                case 4 -> see();
                default -> {
                    if (random.nextInt(8) == 0) {
                        kill();
                    }
                }
            }
        }

        void finish() {
            kill();
            while (completed < offered) {
                take();
                use();
                publish(false);
                see();
            }
        }

        private void offer() {
            if (!free.isEmpty()) {
                int head = free.remove();
                owned.add(head);
                avail[availIndex % SIZE] = head;
                availIndex = (availIndex + 1) & 0xffff;
                offered++;
            }
        }

        private void take() {
            if (nextAvail != availIndex) {
                int head = avail[nextAvail % SIZE];
                assertThat(device.take(head)).isTrue();
                nextAvail = (nextAvail + 1) & 0xffff;
                if (random.nextInt(10) == 0) {
                    device.giveBack(head);
                    nextAvail = (nextAvail - 1) & 0xffff;
                } else {
                    working.add(head);
                }
            }
        }

        private void use() {
            if (!working.isEmpty()) {
                int head = working.remove(random.nextInt(working.size()));
                used[usedIndex % SIZE] = head;
                device.note(usedIndex, head);
                usedIndex = (usedIndex + 1) & 0xffff;
            }
        }

        private void publish(boolean diesRightAfter) {
            toldIndex = usedIndex;
            if (diesRightAfter && random.nextInt(4) == 0) {
                kill();
            } else {
                device.told(usedIndex);
            }
        }

        private void see() {
            while (seenIndex != toldIndex) {
                int head = used[seenIndex % SIZE];
                assertThat(owned.remove(head))
                        .as("head %d is the device's", head)
                        .isTrue();
                free.add(head);
                completed++;
                seenIndex = (seenIndex + 1) & 0xffff;
            }
        }

        private void kill() {
            kills++;
            device = new InFlight(memory.address(), SIZE);
            int[] heads = device.recover(toldIndex).orElseThrow();
            working = new ArrayList<>(Arrays.stream(heads).boxed().toList());
            usedIndex = toldIndex;
            nextAvail = (toldIndex + heads.length) & 0xffff;
        }
    }

    private int[] recovered(int usedIndex) {
        return new InFlight(memory.address(), SIZE).recover(usedIndex).orElseThrow();
    }

    private byte[] image() {
        byte[] bytes = new byte[BYTES];
        RawMemory.get(memory.address(), bytes, 0, BYTES);
        return bytes;
    }

    private void restore(byte[] image) {
        RawMemory.put(memory.address(), image, 0, BYTES);
    }
}
