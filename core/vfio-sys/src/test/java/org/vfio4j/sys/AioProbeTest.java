package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.*;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What passes is asked for again, after a while; what does not pass is not. */
class AioProbeTest {

    private final Deque<Integer> answers = new ArrayDeque<>();
    private long now = Long.MAX_VALUE - 1;
    private final AioProbe probe = new AioProbe(answers::remove, () -> now);

    @Test
    void asksOnceWhenItWorks() {
        answers.add(0);
        assertThat(probe.works()).isTrue();
        now += AioProbe.PAUSE_NS;
        assertThat(probe.works()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(ints = {EAGAIN, ENOMEM, EMFILE})
    void asksAgainForWhatPasses(int errno) {
        answers.addAll(List.of(-errno, -errno, 0));
        assertThat(probe.works()).isFalse();
        now += AioProbe.PAUSE_NS - 1;
        assertThat(probe.works()).as("before the pause is over").isFalse();
        assertThat(answers).hasSize(2);
        now += 1;
        assertThat(probe.works()).isFalse();
        now += AioProbe.PAUSE_NS;
        assertThat(probe.works()).isTrue();
        assertThat(answers).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {ENOSYS, EPERM, EINVAL})
    void asksOnceForWhatStays(int errno) {
        answers.add(-errno);
        assertThat(probe.works()).isFalse();
        now += AioProbe.PAUSE_NS;
        assertThat(probe.works()).isFalse();
        assertThat(answers).isEmpty();
    }
}
