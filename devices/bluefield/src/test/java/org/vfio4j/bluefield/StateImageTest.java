package org.vfio4j.bluefield;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EINVAL;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;

/** An image and those before it give the state that it was taken of, and nothing else does. */
class StateImageTest {

    private static final byte[] NOTHING = {};

    @Test
    void imagesAddUpToTheState() {
        Random random = new Random(2);
        for (int round = 0; round < 300; round++) {
            byte[] state = new byte[1 + random.nextInt(700)];
            random.nextBytes(state);
            byte[] saved = NOTHING;
            byte[] loaded = NOTHING;
            for (int i = 0; i < 5; i++) {
                StateImage image =
                        StateImage.parse(StateImage.of(i, i == 4, saved, state).toBytes());
                assertThat(image.number()).isEqualTo(i);
                assertThat(image.isLast()).isEqualTo(i == 4);
                assertThat(image.isEmpty()).isEqualTo(Arrays.equals(saved, state));
                loaded = image.applyTo(loaded);
                assertThat(loaded).isEqualTo(state);
                saved = state.clone();
                for (int j = random.nextInt(4); j > 0; j--) {
                    state[random.nextInt(state.length)] = (byte) random.nextInt();
                }
            }
        }
    }

    @Test
    void aChangeCostsWhatItIs() {
        byte[] before = new byte[10_000];
        byte[] state = before.clone();
        state[17] = 1;
        state[20] = 1;
        state[9_000] = 1;
        assertThat(StateImage.of(1, false, before, state).sizeBytes())
                .isEqualTo(StateImage.of(1, false, before, before).sizeBytes() + 2 * 8 + 4 + 1);
    }

    @Test
    void refusesDamage() {
        byte[] before = new byte[64];
        byte[] state = new byte[64];
        Arrays.fill(state, 10, 30, (byte) 7);
        byte[] image = StateImage.of(1, true, before, state).toBytes();
        for (int length = 0; length < image.length; length++) {
            refused(Arrays.copyOf(image, length), before);
        }
        for (int bit = 0; bit < image.length * Byte.SIZE; bit++) {
            byte[] damaged = image.clone();
            damaged[bit / Byte.SIZE] ^= (byte) (1 << (bit % Byte.SIZE));
            refused(damaged, before);
        }
        refused(image, new byte[] {1});
    }

    @Test
    void refusesAStateThatIsTooLong() {
        byte[] state = new byte[StateImage.MAX_STATE_BYTES + 1];
        refused(StateImage.of(0, true, NOTHING, state).toBytes(), NOTHING);
    }

    private static void refused(byte[] image, byte[] before) {
        assertThatThrownBy(() -> StateImage.parse(image).applyTo(before))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EINVAL));
    }
}
