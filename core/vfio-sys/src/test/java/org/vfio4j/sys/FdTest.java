package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class FdTest {

    @Test
    void refusesANegativeNumber() {
        assertThatThrownBy(() -> Fd.own(-1)).hasMessage("fd -1: EBADF (Bad file descriptor)");
    }

    @Test
    void refusesUseAfterClose() {
        Fd fd = EventFd.create();
        fd.close();
        assertThat(fd.isOpen()).isFalse();
        assertThatThrownBy(fd::value).isInstanceOf(ErrnoException.class);
        assertThatThrownBy(fd::dup).isInstanceOf(ErrnoException.class);
    }

    @Test
    void closesOnce() {
        Fd fd = EventFd.create();
        int number = fd.value();
        fd.close();
        try (Fd heir = EventFd.create()) {
            assertThat(heir.value()).as("the number is used again").isEqualTo(number);
            fd.close();
            assertThat(EventFd.signal(heir.value())).isZero();
        }
    }

    @Test
    void aDuplicateLivesOnItsOwn() {
        OpenFds fds = new OpenFds();
        Fd fd = EventFd.create();
        try (Fd twin = fd.dup()) {
            EventFd.signal(fd.value());
            fd.close();
            assertThat(EventFd.drain(twin.value())).isOne();
        }
        fds.assertNoneLeft();
    }

    @Test
    void everyDescriptorIsClosedOnExec() throws Exception {
        UnixSocket.Pair pair = UnixSocket.pair();
        try (Fd event = EventFd.create();
                Fd twin = event.dup();
                Fd memory = MemFd.create("exec", 4096);
                Fd file = FileIo.open(Path.of("/dev/null"), FileIo.O_RDONLY);
                Fd first = pair.first();
                Fd second = pair.second()) {
            for (Fd fd : new Fd[] {event, twin, memory, file, first, second}) {
                assertThat(Files.readString(Path.of("/proc/self/fdinfo/" + fd.value())))
                        .containsPattern("flags:\\s+0[0-7]*2[0-7]{6}\\n");
            }
        }
    }
}
