package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** A pseudo-terminal's master stands in for a terminal: it has the same attributes. */
class TtyTest {

    @Test
    void refusesWhatIsNoTerminal() {
        try (Fd event = EventFd.create()) {
            assertThat(Tty.isTerminal(event.value())).isFalse();
            assertThat(Tty.size(event.value())).isEmpty();
            assertThatThrownBy(() -> new Tty(event.value()))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ENOTTY));
        }
    }

    @Test
    void aKeyIsThereWhenThereIsOneAndTheTerminalIsRestored() {
        try (Fd terminal = FileIo.open(Path.of("/dev/ptmx"), FileIo.O_RDWR)) {
            assertThat(Tty.isTerminal(terminal.value())).isTrue();
            assertThat(Tty.size(terminal.value()))
                    .as("a size that nobody has set")
                    .isEmpty();
            try (Tty raw = new Tty(terminal.value())) {
                assertThat(Tty.isTerminal(terminal.value())).isTrue();
                // A second one finds the first one's attributes, and leaves them.
                new Tty(terminal.value()).close();
            }
            assertThat(Tty.isTerminal(terminal.value())).isTrue();
        }
    }
}
