package org.vfio4j.devicemodel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

/** A record that survives whoever writes it. */
class StateJournalTest {

    private static final int CAPACITY = 100;
    private static final int BYTES = (int) StateJournal.sizeBytes(CAPACITY);

    private final Mapping memory = Mapping.anonymous(BYTES);
    private final Random random = new Random(7);

    @AfterEach
    void close() {
        memory.close();
    }

    @Test
    void hasNothingAtFirst() {
        assertThat(journal().read()).isEmpty();
    }

    @Test
    void anotherOneReadsTheLastRecordAndWritesOn() {
        for (int i = 0; i < 50; i++) {
            byte[] data = record(random.nextInt(CAPACITY + 1));
            journal().write(data);
            assertThat(journal().read()).contains(data);
        }
    }

    @Test
    void refusesARecordThatIsTooLong() {
        StateJournal journal = journal();
        byte[] data = record(CAPACITY + 1);
        assertThatThrownBy(() -> journal.write(data)).hasMessageContaining("101");
        assertThat(journal.read()).isEmpty();
    }

    /** What a dead writer leaves is the stores up to some byte, the sequence number's before or after all others. */
    @Test
    void aWriteThatEndsAnywhereLeavesTheOldRecordOrTheNew() {
        for (int turn = 0; turn < 20; turn++) {
            byte[] old = record(random.nextInt(CAPACITY + 1));
            byte[] fresh = record(random.nextInt(CAPACITY + 1));
            journal().write(old);
            byte[] before = image();
            journal().write(fresh);
            byte[] after = image();
            for (int at = 0; at <= BYTES; at++) {
                restore(before, after, at);
                assertOneOf(old, fresh);
                // The other way round: a compiler may turn the order of the stores between two fences.
                restore(after, before, at);
                assertOneOf(old, fresh);
            }
            restore(after, after, 0);
        }
    }

    @Test
    void garbageIsNoRecord() {
        byte[] garbage = new byte[BYTES];
        for (int i = 0; i < 10_000; i++) {
            random.nextBytes(garbage);
            RawMemory.put(memory.address(), garbage, 0, BYTES);
            assertThat(journal().read()).isEmpty();
        }
    }

    private void assertOneOf(byte[] old, byte[] fresh) {
        Optional<byte[]> found = journal().read();
        assertThat(found).isPresent();
        assertThat(Arrays.equals(found.get(), old) || Arrays.equals(found.get(), fresh))
                .isTrue();
    }

    private StateJournal journal() {
        return new StateJournal(memory.address(), CAPACITY);
    }

    private byte[] record(int length) {
        byte[] data = new byte[length];
        random.nextBytes(data);
        return data;
    }

    private byte[] image() {
        byte[] bytes = new byte[BYTES];
        RawMemory.get(memory.address(), bytes, 0, BYTES);
        return bytes;
    }

    private void restore(byte[] head, byte[] tail, int at) {
        RawMemory.put(memory.address(), head, 0, at);
        RawMemory.put(memory.address() + at, tail, at, BYTES - at);
    }
}
