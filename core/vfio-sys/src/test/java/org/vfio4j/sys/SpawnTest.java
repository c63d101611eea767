package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Programs that inherit a descriptor. */
class SpawnTest {

    private static final Map<String, String> ENVIRONMENT = Map.of("WORD", "spawned", "PATH", "/usr/bin:/bin");

    @Test
    void theProgramHasTheDescriptorAndItsEnvironment() {
        UnixSocket.Pair pair = UnixSocket.pair();
        try (Fd own = pair.first();
                Fd its = pair.second();
                Arena arena = Arena.ofConfined()) {
            int code = Spawn.run(List.of("sh", "-c", "printf $WORD >&5; exit 7"), ENVIRONMENT, its, 5);
            assertThat(code).isEqualTo(7);
            MemorySegment text = arena.allocate(64);
            long length = FileIo.read(own.value(), text.address(), 64);
            assertThat(text.getString(0).substring(0, (int) length)).isEqualTo("spawned");
        }
    }

    @Test
    void aSignalIsToldAsAShellTellsIt() {
        assertThat(run("sh", "-c", "kill -9 $$")).isEqualTo(128 + 9);
    }

    @Test
    void refusesAProgramThatIsNotThere() {
        assertThatThrownBy(() -> run("/no/such/program"))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOENT));
    }

    private static int run(String... command) {
        try (Fd none = EventFd.create()) {
            return Spawn.run(List.of(command), ENVIRONMENT, none, 5);
        }
    }
}
