package org.vfio4j.i40evfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EINVAL;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.vfio4j.i40e.I40eRing;
import org.vfio4j.i40e.I40eVfControl;
import org.vfio4j.sys.ErrnoException;

/** The frame around a function's state: what is not whole and undamaged never reaches the function. */
class StateStreamTest {

    private final Recorder vf = new Recorder();
    private final byte[] stream = StateStream.save(vf);

    @Test
    void refusesWhatIsCutAndWhatGoesOn() {
        for (int length = 0; length < stream.length; length++) {
            refused(Arrays.copyOf(stream, length));
        }
        refused(Arrays.copyOf(stream, stream.length + 1));
        assertThat(vf.loaded).isEmpty();
    }

    @Test
    void refusesEachSpoiltBit() {
        for (int bit = 0; bit < 8 * stream.length; bit++) {
            byte[] bad = stream.clone();
            bad[bit / 8] ^= (byte) (1 << (bit % 8));
            refused(bad);
        }
        assertThat(vf.loaded).isEmpty();
    }

    @Test
    void refusesAnyOtherBytes() {
        SplittableRandom random = new SplittableRandom(5);
        for (int i = 0; i < 20_000; i++) {
            byte[] bytes = new byte[random.nextInt(64)];
            random.nextBytes(bytes);
            System.arraycopy(stream, 0, bytes, 0, Math.min(random.nextInt(24), bytes.length));
            refused(bytes);
        }
        assertThat(vf.loaded).isEmpty();
    }

    @Test
    void givesTheFunctionWhatTheOtherHad() {
        StateStream.load(vf, stream);
        assertThat(vf.loaded).singleElement().isEqualTo(vf.saveState());
    }

    private void refused(byte[] bytes) {
        assertThatThrownBy(() -> StateStream.load(vf, bytes))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EINVAL));
    }

    private static final class Recorder implements I40eVfControl {

        final List<byte[]> loaded = new ArrayList<>();

        @Override
        public void suspend() {}

        @Override
        public void resume() {}

        @Override
        public byte[] saveState() {
            return new byte[] {1, 2, 3, 4, 5};
        }

        @Override
        public int stateBytes() {
            return 5;
        }

        @Override
        public void loadState(byte[] state) {
            loaded.add(state);
        }

        @Override
        public List<I40eRing> rings() {
            return List.of();
        }
    }
}
