package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.nvmedriver.NvmeCommand.*;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.nvmedriver.NvmeDriver;
import org.vfio4j.nvmedriver.NvmeQueue;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.testkit.GuestMemory;

/** A namespace in a file becomes larger while its driver works: the driver hears of it and uses what is new. */
class NvmeResizeTest {

    private static final int ASYNCHRONOUS_EVENT_CONFIGURATION = 0x0b;
    private static final int NAMESPACE_ATTRIBUTE_CHANGED = 0x04_0002;
    private static final int CHANGED_NAMESPACE_LIST = 0x04;
    private static final int BLOCK = 512;

    @TempDir
    private Path dir;

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void theDriverHearsOfMoreBlocks(int threads) throws IOException {
        Path image = dir.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(1 << 20);
        }
        try (FileBackend disk = FileBackend.open(image, false, FileIoMode.SYNC);
                GuestMemory memory = new GuestMemory(4 << 20);
                Nvme nvme = Nvme.builder(NvmeIdentity.of("GROWS"))
                        .namespace(new NamespaceOptions(disk, BLOCK, Optional.empty()))
                        .queuePairs(2)
                        .threads(threads)
                        .build()) {
            NvmeDriver driver = new NvmeDriver(nvme.function(), memory);
            nvme.function().attachDma(memory.space());
            NvmeQueue admin = driver.enable(16);
            NvmeQueue io = driver.create(admin, 2, 16, false);
            long page = (memory.mapped(8192) + 4095) & -4096L;
            assertThat(admin.run(new NvmeCommand(SET_FEATURES)
                                    .cdw(10, ASYNCHRONOUS_EVENT_CONFIGURATION)
                                    .cdw(11, 1 << 8))
                            .status())
                    .isZero();
            int event = admin.submit(new NvmeCommand(ASYNC_EVENT));
            assertThat(io.run(NvmeCommand.io(READ, 1, 2048, 1).prp(page)).code())
                    .isEqualTo(0x080);

            nvme.resize(1, 2 << 20);
            var told = admin.await();
            assertThat(told.cid()).isEqualTo(event);
            assertThat(told.dw0()).isEqualTo(NAMESPACE_ATTRIBUTE_CHANGED);
            for (int changed : new int[] {1, 0}) {
                memory.fill(page, 4096, 0x7e);
                assertThat(admin.run(new NvmeCommand(GET_LOG_PAGE)
                                        .prp(page)
                                        .cdw(10, CHANGED_NAMESPACE_LIST | 1023 << 16))
                                .status())
                        .isZero();
                assertThat(RawMemory.getInt(memory.host(page)))
                        .as("Changed Namespace List, Base 5.16.1.5: once")
                        .isEqualTo(changed);
            }
            assertThat(admin.run(new NvmeCommand(IDENTIFY).nsid(1).prp(page)).status())
                    .isZero();
            assertThat(RawMemory.getLong(memory.host(page))).as("NSZE").isEqualTo(4096);
            memory.fill(page, 4096, 0x7e);
            assertThat(io.run(NvmeCommand.io(WRITE, 1, 4095, 1).prp(page)).status())
                    .isZero();
            assertThat(io.run(NvmeCommand.io(READ, 1, 4096, 1).prp(page)).code())
                    .isEqualTo(0x080);

            assertThatThrownBy(() -> nvme.resize(1, 1 << 20)).hasMessageContaining("EINVAL");
            assertThatThrownBy(() -> nvme.resize(2, 4 << 20)).hasMessageContaining("ENODEV");
            nvme.function().detachDma();
        }
    }
}
