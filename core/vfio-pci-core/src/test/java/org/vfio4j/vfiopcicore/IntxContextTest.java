package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.vfiopcicore.OpenCore.signals;

import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;

class IntxContextTest {

    /** Its user has not heard of it, and would never unmask it. */
    @Test
    void anInterruptThatCannotBeSentMasksNothing() {
        IntxContext intx = new IntxContext();
        try (Fd noEventFd = FileIo.open(Path.of("/dev/null"), FileIo.O_RDONLY);
                Fd event = EventFd.create()) {
            intx.assign(Optional.of(noEventFd));
            intx.drive(true);
            intx.assign(Optional.of(event));
            assertThat(signals(event)).isEqualTo(1);
            intx.drive(true);
            assertThat(signals(event)).as("while it is masked").isZero();
        }
    }
}
