package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.*;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class EventFdTest {

    @Test
    void saysErrorsAsNegativeNumbers() {
        assertThat(EventFd.signal(-1)).isEqualTo(-EBADF);
        assertThat(EventFd.drain(-1)).isEqualTo(-EBADF);
    }

    @Test
    void drainingNothingDoesNotWait() {
        try (Fd event = EventFd.create()) {
            assertThat(EventFd.drain(event.value())).isEqualTo(-EAGAIN);
        }
    }

    /** Whoever shares it may have it block, and may have taken what it was reported for. */
    @Test
    void drainingNothingDoesNotWaitWhereItBlocks() throws InterruptedException {
        try (Fd event = EventFd.create()) {
            event.setNonBlocking(false);
            AtomicLong drained = new AtomicLong();
            Thread thread = Thread.ofPlatform().daemon().start(() -> drained.set(EventFd.drain(event.value())));
            assertThat(thread.join(Duration.ofSeconds(30))).as("it has ended").isTrue();
            assertThat(drained).hasValue(-EAGAIN);
        }
    }

    @Test
    void drainingTakesAllSignals() {
        try (Fd event = EventFd.create()) {
            EventFd.signal(event.value());
            EventFd.signal(event.value());
            assertThat(EventFd.drain(event.value())).isEqualTo(2);
            assertThat(EventFd.drain(event.value())).isEqualTo(-EAGAIN);
        }
    }
}
