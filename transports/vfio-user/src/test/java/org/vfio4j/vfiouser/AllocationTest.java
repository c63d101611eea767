package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.testkit.ThreadUse;

/** Register accesses allocate nothing once warm, neither in the server nor in the client. */
class AllocationTest {

    private static final int WARM_UP = 30_000;
    private static final int ACCESSES = 10_000;

    // What the measurement itself may leave; far less than a byte an
    // access.
    private static final long SLACK = ACCESSES / 10;

    private final Served served = new Served();
    private final MemorySegment buffer = Arena.ofAuto().allocate(64);

    @AfterEach
    void close() {
        served.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void registerAccessesAllocateNothing(boolean posted) {
        VfioUserClientOptions options = VfioUserClientOptions.DEFAULTS.withPostedWrites(posted);
        try (VfioUserClient driver = VfioUserClient.connect(served.socket, options)) {
            Thread loop = ThreadUse.threadNamed(served.loop.name());
            access(driver, WARM_UP);
            assertThat(ThreadUse.leastAllocated(() -> access(driver, ACCESSES), loop, Thread.currentThread()))
                    .isLessThan(SLACK);
        }
    }

    private void access(VfioUserClient driver, int times) {
        for (int i = 0; i < times; i++) {
            driver.read(0, 64, buffer, 0, 4);
            driver.write(0, 64, buffer, 0, 4);
        }
    }
}
