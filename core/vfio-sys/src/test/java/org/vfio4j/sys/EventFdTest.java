package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.*;

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
