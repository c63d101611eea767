package org.vfio4j.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class MemoryBackendTest extends BlockQueueContract {

    @Override
    BlockBackend open() {
        return new MemoryBackend(SIZE);
    }

    @Test
    void refusesASizeThatIsNoSectors() {
        for (long size : new long[] {0, -512, 511, 513}) {
            assertThatThrownBy(() -> new MemoryBackend(size))
                    .hasMessage("size of " + size
                            + " bytes, which is no multiple of 512 above 0: EINVAL (Invalid argument)");
            assertThatThrownBy(() -> new NullBackend(size)).hasMessageContaining("EINVAL");
        }
    }

    @Test
    void isWrittenAndBlank() {
        assertThat(backend.readOnly()).isFalse();
        assertThat(backend.sizeBytes()).isEqualTo(SIZE);
        assertThat(read(4096, 4096)).isEqualTo(4096);
        assertThat(bytes(0, 4096)).containsOnly(0);
    }
}
