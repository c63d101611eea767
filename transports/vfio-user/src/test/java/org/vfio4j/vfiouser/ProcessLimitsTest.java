package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.DmaBacking;

/** What clients together may take of what the kernel gives this process. */
class ProcessLimitsTest {

    private static final int MORE_THAN_ANY = 10_000_000;

    private final List<DmaBacking> kept = new ArrayList<>();

    @AfterEach
    void close() {
        kept.forEach(DmaBacking::close);
    }

    @Test
    void refusesDescriptorsOfMemoryBeforeTheProcessHasNoneLeft() {
        assertThatThrownBy(() -> {
                    while (kept.size() < MORE_THAN_ANY) {
                        kept.add(ProcessLimits.counted(new NoMemory()));
                    }
                })
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EMFILE));
        assertThat(kept).isNotEmpty();
        // Each that goes makes room for one.
        kept.removeLast().close();
        kept.add(ProcessLimits.counted(new NoMemory()));
    }

    @Test
    void mapsMemoryWhileThereAreMappingsToSpare() {
        assertThat(ProcessLimits.roomForMapping()).isTrue();
    }

    private static final class NoMemory implements DmaBacking {

        @Override
        public boolean isRemote() {
            return false;
        }

        @Override
        public int read(long offset, long hostAddress, long length) {
            return 0;
        }

        @Override
        public int write(long offset, long hostAddress, long length) {
            return 0;
        }

        @Override
        public void close() {}
    }
}
