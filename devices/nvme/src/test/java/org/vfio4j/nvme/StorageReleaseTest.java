package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.READ;

import java.util.Optional;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.testkit.GuestMemory;

/** A namespace gets other storage: what stands on the old one is closed when that is said. */
class StorageReleaseTest {

    private static final int PAIRS = 3;

    private final FaultyBackend old = new FaultyBackend(new MemoryBackend(8 << 20));
    private final MemoryBackend other = new MemoryBackend(8 << 20);

    /** The kernel lets no other thread unregister what a ring has. */
    @ParameterizedTest
    @ValueSource(ints = {1, PAIRS})
    void eachThreadClosesItsOwnQueue(int threads) {
        run(threads, nvme -> {
            nvme.setStorage(1, other);
            assertThat(old.closers()).hasSize(threads);
            old.closers().forEach((opener, closer) -> assertThat(closer).isSameAs(opener));
        });
    }

    @ParameterizedTest
    @ValueSource(ints = {1, PAIRS})
    void aSuspendedControllersQueuesAreClosedAsWell(int threads) {
        run(threads, nvme -> {
            FunctionState state = nvme.function().platform(FunctionState.class).orElseThrow();
            state.suspend();
            nvme.setStorage(1, other);
            assertThat(old.closers()).hasSize(threads);
            state.resume();
        });
    }

    private interface Action {

        void on(Nvme nvme);
    }

    /** With threads that stay, and all of which have used the old storage. */
    private void run(int threads, Action action) {
        try (old;
                other;
                GuestMemory memory = new GuestMemory(4 << 20);
                Nvme nvme = Nvme.builder(NvmeIdentity.of("RELEASES"))
                        .namespace(new NamespaceOptions(old, 512, Optional.empty()))
                        .queuePairs(PAIRS)
                        .threads(threads)
                        .poll(QueuePolling.ALWAYS)
                        .build()) {
            NvmeDriver driver = new NvmeDriver(nvme.function(), memory);
            nvme.function().attachDma(memory.space());
            NvmeQueue admin = driver.enable(16);
            long page = (memory.mapped(8192) + 4095) & -4096L;
            for (int i = 1; i <= PAIRS; i++) {
                NvmeQueue io = driver.create(admin, i, 8, false);
                assertThat(io.run(NvmeCommand.io(READ, 1, 0, 1).prp(page)).status())
                        .isZero();
            }
            action.on(nvme);
            nvme.function().detachDma();
        }
    }
}
