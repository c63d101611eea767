package org.vfio4j.block;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;

import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;

class NullBackendTest {

    @Test
    void checksRangesAndMovesNothing() {
        Map<Integer, Integer> results = new HashMap<>();
        try (NullBackend storage = new NullBackend(4096);
                BlockQueue queue = storage.openQueue(8);
                Mapping memory = Mapping.anonymous(4096)) {
            RawMemory.putLong(memory.address() + 512, 7);
            IoVecs.set(memory.address(), 0, memory.address() + 512, 1024);
            queue.readv(0, memory.address(), 1, 0);
            queue.writev(3072, memory.address(), 1, 1);
            queue.readv(3584, memory.address(), 1, 2);
            queue.writev(-512, memory.address(), 1, 3);
            queue.flush(4);
            queue.discard(0, 4096, 5);
            queue.writeZeroes(512, 4096, true, 6);
            assertThat(queue.inFlight()).isEqualTo(7);
            assertThat(queue.poll(results::put)).isEqualTo(7);
            assertThat(results).isEqualTo(Map.of(0, 1024, 1, 1024, 2, -EINVAL, 3, -EINVAL, 4, 0, 5, 0, 6, -EINVAL));
            assertThat(RawMemory.getLong(memory.address() + 512)).isEqualTo(7);
        }
    }
}
