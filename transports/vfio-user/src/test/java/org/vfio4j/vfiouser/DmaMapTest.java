package org.vfio4j.vfiouser;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOSPC;
import static org.vfio4j.sys.Errno.EOVERFLOW;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DMA_MAP;
import static org.vfio4j.vfiouser.DmaMessages.READ;
import static org.vfio4j.vfiouser.DmaMessages.READ_WRITE;
import static org.vfio4j.vfiouser.DmaMessages.map;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.MemFd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** VFIO_USER_DMA_MAP: which maps are refused (vfio-user specification, "VFIO_USER_DMA_MAP"). */
class DmaMapTest {

    private static final int MAX_MAPS = 8;

    private final Served served = new Served(VfioUserServerOptions.DEFAULTS.withMaxDmaMaps(MAX_MAPS));

    @AfterEach
    void close() {
        served.close();
    }

    @Test
    void refusesBadSizesAndFlags() {
        Payload small = new Payload().u32(8).u32(READ).u64(0).u64(0).u64(0x1000);
        assertThat(served.errnoOf(RawMessage.command(VFIO_USER_DMA_MAP, small))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(RawMessage.command(VFIO_USER_DMA_MAP, new byte[31])))
                .isEqualTo(EINVAL);
        for (int flags : new int[] {0, 1 << 4 | READ, -1, 1 << 2 | READ, 1 << 3 | READ}) {
            assertThat(served.errnoOf(map(flags, 0, 0, 0x1000))).isEqualTo(EINVAL);
        }
        assertThat(served.errnoOf(map(READ, 0, 0, 0))).isEqualTo(EINVAL);
    }

    @Test
    void refusesMapsThatAreTooLargeOrPastTheEnd() {
        assertThat(served.errnoOf(map(READ, 0, 0, (8L << 40) + 4096))).isEqualTo(ENOSPC);
        assertThat(served.errnoOf(map(READ, 0, 0, -4096))).isEqualTo(ENOSPC);
        assertThat(served.errnoOf(map(READ, 0, -4096, 8192))).isEqualTo(EOVERFLOW);
    }

    @Test
    void takesTheLastPageOfTheAddressSpace() {
        assertThat(served.errnoOf(map(READ, 0, -4096, 4096))).isZero();
    }

    @Test
    void refusesOneMapMoreThanTheLimit() {
        try (RawClient client = served.client()) {
            for (int i = 0; i < MAX_MAPS; i++) {
                assertThat(Served.errnoOf(client, map(READ, 0, i * 0x1000L, 0x1000)))
                        .isZero();
            }
            assertThat(Served.errnoOf(client, map(READ, 0, 0x100000, 0x1000))).isEqualTo(EINVAL);
        }
    }

    @Test
    void refusesOverlapButTakesTheSameMapAgain() {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", 0x4000)) {
            assertThat(client.call(map(READ, 0, 0x4000, 0x2000), memory).isError())
                    .isFalse();
            Leaks before = Leaks.snapshot();
            assertThat(client.call(map(READ, 0, 0x4000, 0x2000), memory).isError())
                    .isFalse();
            assertThat(client.call(map(READ_WRITE, 0, 0x4000, 0x2000), memory).error())
                    .isEqualTo(EEXIST);
            assertThat(client.call(map(READ, 0, 0x5000, 0x2000), memory).error())
                    .isEqualTo(EEXIST);
            assertThat(client.call(map(READ, 0, 0x3000, 0x4000), memory).error())
                    .isEqualTo(EEXIST);
            assertThat(client.call(map(READ, 0, 0x4000, 0x1000)).error()).isEqualTo(EEXIST);
            assertThat(served.space().size()).isEqualTo(1);
            before.assertNone();
        }
    }

    @Test
    void refusesDescriptorsThatHoldNoSuchMemoryAndClosesThem() {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", 0x4000);
                Fd event = EventFd.create()) {
            Leaks before = Leaks.snapshot();
            assertThat(client.call(map(READ, 0, 0, 0x5000), memory).error()).isEqualTo(EINVAL);
            assertThat(client.call(map(READ, 0x4000, 0, 0x1000), memory).error())
                    .isEqualTo(EINVAL);
            assertThat(client.call(map(READ, -0x1000, 0, 0x2000), memory).error())
                    .isEqualTo(EINVAL);
            assertThat(client.call(map(READ, Long.MAX_VALUE - 0xfff, 0, 0x2000), memory)
                            .error())
                    .isEqualTo(EINVAL);
            assertThat(client.call(map(READ, 0, 0, 0x1000), event).error()).isEqualTo(EINVAL);
            assertThat(client.call(map(READ, 0, 0, 0x1000), client.socket()).error())
                    .isEqualTo(EINVAL);
            assertThat(client.call(map(READ, 0, 0, 0x1000), memory, memory).error())
                    .isEqualTo(EINVAL);
            assertThat(served.space().size()).isZero();
            before.assertNone();
        }
    }

    @Test
    void acceptsTheHintsOfOtherClientsWithADescriptor() {
        try (RawClient client = served.client();
                Fd memory = MemFd.create("guest", 0x4000)) {
            assertThat(client.call(map(1 << 2 | READ, 0, 0, 0x1000), memory).isError())
                    .isFalse();
            assertThat(client.call(map(1 << 3 | READ, 0x1000, 0x1000, 0x1000), memory)
                            .isError())
                    .isFalse();
        }
    }
}
