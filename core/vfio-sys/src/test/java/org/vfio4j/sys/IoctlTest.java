package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** Requests by ioctl(2). */
class IoctlTest {

    private static final long FIONREAD = 0x541b;
    private static final long VFIO_DEVICE_RESET = 0x3b6f;

    @Test
    void aFailureNamesRequestAndDescriptor() {
        try (Fd fd = FileIo.open(Path.of("/dev/null"), FileIo.O_RDWR)) {
            assertThatThrownBy(() -> Ioctl.call(fd, VFIO_DEVICE_RESET, "VFIO_DEVICE_RESET", 0))
                    .hasMessage(
                            "ioctl VFIO_DEVICE_RESET fd=" + fd.value() + ": ENOTTY (Inappropriate ioctl for device)");
        }
    }

    @Test
    void refusesAStructureOnTheHeap() {
        try (Fd fd = EventFd.create()) {
            MemorySegment heap = MemorySegment.ofArray(new int[1]);
            assertThatThrownBy(() -> Ioctl.call(fd, FIONREAD, "FIONREAD", heap))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("FIONREAD");
        }
    }

    @Test
    void theDriverWritesTheStructure() {
        UnixSocket.Pair pair = UnixSocket.pair();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(3);
            assertThat(FileIo.write(pair.first().value(), bytes.address(), 3)).isEqualTo(3);
            MemorySegment waiting = arena.allocate(JAVA_INT);
            assertThat(Ioctl.call(pair.second(), FIONREAD, "FIONREAD", waiting)).isZero();
            assertThat(waiting.get(JAVA_INT, 0)).isEqualTo(3);
        } finally {
            pair.first().close();
            pair.second().close();
        }
    }
}
