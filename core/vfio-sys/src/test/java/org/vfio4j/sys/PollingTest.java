package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.*;
import static org.vfio4j.sys.Failures.assertFails;

import org.junit.jupiter.api.Test;

/** {@link Poll} and {@link Epoll}. */
class PollingTest {

    @Test
    void pollReportsWhatIsThere() {
        try (Fd event = EventFd.create()) {
            assertThat(Poll.poll(event.value(), Poll.POLLIN, 0)).isZero();
            assertThat(Poll.poll(event.value(), Poll.POLLIN, 1_000_000)).isZero();
            EventFd.signal(event.value());
            assertThat(Poll.poll(event.value(), Poll.POLLIN, Poll.FOREVER)).isEqualTo(Poll.POLLIN);
        }
    }

    @Test
    void pollReportsAHangUpUnasked() {
        UnixSocket.Pair pair = UnixSocket.pair();
        pair.first().close();
        assertThat(Poll.poll(pair.second().value(), 0, Poll.FOREVER)).isEqualTo(Poll.POLLHUP);
        pair.second().close();
    }

    @Test
    void epollRefusesTheSameTwiceAndTheUnknown() {
        try (Epoll epoll = Epoll.create();
                Fd event = EventFd.create()) {
            epoll.add(event.value(), Epoll.EPOLLIN, 1);
            assertFails(EEXIST, () -> epoll.add(event.value(), Epoll.EPOLLIN, 1));
            epoll.remove(event.value());
            assertFails(ENOENT, () -> epoll.remove(event.value()));
            assertFails(EBADF, () -> epoll.add(9999, Epoll.EPOLLIN, 1));
        }
    }

    @Test
    void epollGivesBackTheDataOfEachEvent() {
        OpenFds fds = new OpenFds();
        try (Epoll epoll = Epoll.create();
                Fd first = EventFd.create();
                Fd second = EventFd.create()) {
            epoll.add(first.value(), Epoll.EPOLLIN, 0x1122334455667788L);
            epoll.add(second.value(), Epoll.EPOLLIN, -2);
            assertThat(epoll.await(0)).isZero();
            EventFd.signal(first.value());
            EventFd.signal(second.value());
            assertThat(epoll.await(-1)).isEqualTo(2);
            assertThat(new long[] {epoll.data(0), epoll.data(1)}).containsExactlyInAnyOrder(0x1122334455667788L, -2);
            assertThat(epoll.events(0)).isEqualTo(Epoll.EPOLLIN);
        }
        fds.assertNoneLeft();
    }

    @Test
    void aOneShotIsSilentUntilItIsArmedAgain() {
        try (Epoll epoll = Epoll.create();
                Fd event = EventFd.create()) {
            epoll.add(event.value(), Epoll.EPOLLIN | Epoll.EPOLLONESHOT, 5);
            EventFd.signal(event.value());
            assertThat(epoll.await(0)).isOne();
            assertThat(epoll.await(0)).isZero();
            epoll.modify(event.value(), Epoll.EPOLLIN, 6);
            assertThat(epoll.await(0)).isOne();
            assertThat(epoll.data(0)).isEqualTo(6);
        }
    }
}
