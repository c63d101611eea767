package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOMSG;
import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_FEATURE;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_MIG_DATA_READ;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_MIG_DATA_WRITE;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY;
import static org.vfio4j.vfio.VfioMigrationState.RESUMING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING;
import static org.vfio4j.vfio.VfioMigrationState.STOP;
import static org.vfio4j.vfio.VfioMigrationState.STOP_COPY;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;
import org.vfio4j.testkit.ThreadUse;
import org.vfio4j.vfio.VfioMigrationOps;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfio.VfioMigrationStream;
import org.vfio4j.vfio.VfioPrecopyInfo;

/** VFIO_USER_MIG_DATA_READ and VFIO_USER_MIG_DATA_WRITE; the states themselves are core/vfio's. */
class MigrationDataTest {

    private static final int LIMIT = 1 << 20;

    /** What PRE_COPY can tell. */
    private static final int EARLY = 1000;

    private final FakeDevice device = new FakeDevice();
    private final Source source = new Source();
    private final Served served;

    MigrationDataTest() {
        device.migration = Optional.of(source);
        served = new Served(device);
    }

    @AfterEach
    void close() {
        served.close();
    }

    @Test
    void refusesWhatIsMalformed() {
        try (RawClient client = served.client()) {
            setState(client, STOP_COPY);
            for (RawMessage bad : new RawMessage[] {
                RawMessage.command(VFIO_USER_MIG_DATA_READ, new byte[7]),
                read(7, 0),
                read(8 + 63, 64),
                read(8 + LIMIT + 1, LIMIT + 1),
                read(-1, -1),
            }) {
                assertThat(Served.errnoOf(client, bad)).isEqualTo(EINVAL);
            }
            setState(client, RESUMING);
            for (RawMessage bad : new RawMessage[] {
                RawMessage.command(VFIO_USER_MIG_DATA_WRITE, new byte[7]),
                write(7, 4, new byte[4]),
                write(12, 4, new byte[3]),
                write(12, 4, new byte[5]),
                write(12, -1, new byte[4]),
                write(12, LIMIT + 1, new byte[4]),
            }) {
                assertThat(Served.errnoOf(client, bad)).isEqualTo(EINVAL);
            }
            assertThat(source.taken.size()).isZero();
        }
    }

    @Test
    void refusesStatesThatHaveNoDataOfThatKind() {
        try (RawClient client = served.client()) {
            for (VfioMigrationState state : new VfioMigrationState[] {RUNNING, STOP, RESUMING}) {
                setState(client, state);
                assertThat(Served.errnoOf(client, read(72, 64))).isEqualTo(EINVAL);
                assertThat(Served.errnoOf(client, read(8, 0))).isEqualTo(EINVAL);
            }
            for (VfioMigrationState state : new VfioMigrationState[] {STOP, RUNNING, PRE_COPY, STOP_COPY}) {
                setState(client, state);
                assertThat(Served.errnoOf(client, write(12, 4, new byte[4]))).isEqualTo(EINVAL);
            }
        }
        try (Served plain = new Served()) {
            assertThat(plain.errnoOf(read(72, 64))).isEqualTo(ENOTTY);
            assertThat(plain.errnoOf(write(12, 4, new byte[4]))).isEqualTo(ENOTTY);
        }
    }

    @Test
    void givesAsMuchAsIsAskedForUntilTheEnd() {
        source.size = 5000;
        source.most = 700;
        try (RawClient client = served.client()) {
            setState(client, STOP_COPY);
            for (int at = 0; at < 4000; at += 2000) {
                assertData(client.call(read(8 + 2000, 2000)), at, 2000);
            }
            assertData(client.call(read(-1, 2000)), 4000, 1000);
            assertData(client.call(read(8 + 2000, 2000)), 5000, 0);
            assertData(client.call(read(8, 0)), 5000, 0);
        }
    }

    @Test
    void givesAsMuchAsAMessageHolds() {
        source.size = LIMIT + 5;
        try (RawClient client = served.client()) {
            setState(client, STOP_COPY);
            assertData(client.call(read(8 + LIMIT, LIMIT)), 0, LIMIT);
            assertData(client.call(read(8 + LIMIT, LIMIT)), LIMIT, 5);
        }
    }

    @Test
    void theEndForNowIsAnEmptyReply() {
        source.size = 5000;
        try (RawClient client = served.client()) {
            setState(client, PRE_COPY);
            assertData(client.call(read(8 + 2000, 2000)), 0, EARLY);
            assertData(client.call(read(8 + 2000, 2000)), EARLY, 0);
            setState(client, STOP_COPY);
            assertData(client.call(read(8 + 5000, 5000)), EARLY, 4000);
        }
    }

    @Test
    void takesDataAndSaysWhatTheDeviceSaysToIt() {
        try (RawClient client = served.client()) {
            setState(client, RESUMING);
            byte[] first = {pattern(0), pattern(1), pattern(2)};
            RawMessage reply = client.call(write(11, 3, first));
            assertThat(reply.isError()).isFalse();
            assertThat(reply.payload()).isEmpty();
            assertThat(client.call(write(8, 0, new byte[0])).isError()).isFalse();
            assertThat(client.call(write(9, 1, new byte[] {pattern(3)})).isError())
                    .isFalse();
            assertThat(source.taken.toByteArray()).containsExactly(pattern(0), pattern(1), pattern(2), pattern(3));
            assertThat(Served.errnoOf(client, write(9, 1, new byte[] {(byte) ~pattern(4)})))
                    .isEqualTo(EINVAL);
        }
    }

    @Test
    void theClientReadsAndWritesMoreThanAMessageHolds() {
        source.size = 3 * LIMIT + 77;
        MemorySegment state = Arena.ofAuto().allocate(4L * LIMIT);
        try (VfioUserClient driver = served.driver()) {
            setState(driver, STOP_COPY);
            assertThat(driver.migrationRead(state, 0, 10)).isEqualTo(10);
            assertThat(driver.migrationRead(state, 10, 4 * LIMIT - 10)).isEqualTo(source.size - 10);
            assertThat(driver.migrationRead(state, 0, 10)).isZero();
            setState(driver, STOP);
            setState(driver, RESUMING);
            driver.migrationWrite(state, 0, source.size);
            assertThat(source.taken.size()).isEqualTo(source.size);
        }
    }

    @Test
    void theClientTellsTheEndForNowFromTheEnd() {
        source.size = 5000;
        MemorySegment state = Arena.ofAuto().allocate(8000);
        try (VfioUserClient driver = served.driver()) {
            setState(driver, PRE_COPY);
            assertThat(driver.migrationRead(state, 0, 8000)).isEqualTo(EARLY);
            assertThatThrownBy(() -> driver.migrationRead(state, 0, 8000))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(ENOMSG));
            setState(driver, STOP_COPY);
            assertThat(driver.migrationRead(state, 0, 8000)).isEqualTo(4000);
            assertThat(driver.migrationRead(state, 0, 8000)).isZero();
        }
    }

    @Test
    void readingAllocatesNothing() {
        source.size = Integer.MAX_VALUE;
        MemorySegment state = Arena.ofAuto().allocate(64);
        try (VfioUserClient driver = served.driver()) {
            setState(driver, STOP_COPY);
            Thread loop = ThreadUse.threadNamed(served.loop.name());
            read(driver, state, 30_000);
            assertThat(ThreadUse.leastAllocated(() -> read(driver, state, 10_000), loop, Thread.currentThread()))
                    .isLessThan(2000);
        }
    }

    private static void read(VfioUserClient driver, MemorySegment into, int times) {
        for (int i = 0; i < times; i++) {
            driver.migrationRead(into, 0, 64);
        }
    }

    private static void assertData(RawMessage reply, int from, int size) {
        assertThat(reply.isError()).isFalse();
        assertThat(reply.payload()).hasSize(8 + size);
        assertThat(reply.u32(0)).isEqualTo(8 + size);
        assertThat(reply.u32(4)).isEqualTo(size);
        byte[] payload = reply.payload();
        for (int i = 0; i < size; i++) {
            if (payload[8 + i] != pattern(from + i)) {
                throw new AssertionError("byte " + i + " of " + size);
            }
        }
    }

    private static void setState(RawClient client, VfioMigrationState state) {
        Payload set = new Payload()
                .u32(16)
                .u32(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE)
                .u32(state.ordinal())
                .u32(-1);
        assertThat(Served.errnoOf(client, RawMessage.command(VFIO_USER_DEVICE_FEATURE, set)))
                .isZero();
    }

    private static void setState(VfioUserClient driver, VfioMigrationState state) {
        MemorySegment data = Arena.ofAuto().allocate(8, 4);
        data.set(JAVA_INT, 0, state.ordinal());
        driver.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data);
    }

    private static RawMessage read(int argsz, int size) {
        return RawMessage.command(
                VFIO_USER_MIG_DATA_READ, new Payload().u32(argsz & 0xffff_ffffL).u32(size));
    }

    private static RawMessage write(int argsz, int size, byte[] data) {
        return RawMessage.command(
                VFIO_USER_MIG_DATA_WRITE, new Payload().u32(argsz).u32(size).bytes(data));
    }

    private static byte pattern(int at) {
        return (byte) ((at * 31) >> 2);
    }

    /** A device whose state is a pattern of some size, given in pieces; it takes nothing else. */
    private static final class Source implements VfioMigrationOps, VfioMigrationStream {
        final ByteArrayOutputStream taken = new ByteArrayOutputStream();
        int size = 100;
        int most = Integer.MAX_VALUE;
        private int at;
        private int limit;

        @Override
        public int flags() {
            return 1 | 4;
        }

        @Override
        public Optional<VfioMigrationStream> arc(VfioMigrationState from, VfioMigrationState to) {
            limit = to == PRE_COPY ? Math.min(EARLY, size) : size;
            boolean begins = to == RESUMING || to == PRE_COPY || (to == STOP_COPY && from != PRE_COPY);
            if (begins) {
                at = 0;
                taken.reset();
            }
            return begins ? Optional.of(this) : Optional.empty();
        }

        @Override
        public long stopCopyLength() {
            return size;
        }

        @Override
        public int read(MemorySegment buffer, long to, int count) {
            int n = Math.min(Math.min(count, most), limit - at);
            if (n == 0 && limit < size) {
                throw new ErrnoException(ENOMSG, "nothing now");
            }
            for (int i = 0; i < n; i++) {
                buffer.set(JAVA_BYTE, to + i, pattern(at + i));
            }
            at += n;
            return n;
        }

        @Override
        public void write(MemorySegment buffer, long from, int count) {
            for (int i = 0; i < count; i++) {
                byte next = buffer.get(JAVA_BYTE, from + i);
                if (next != pattern(taken.size())) {
                    throw new ErrnoException(EINVAL, "byte " + taken.size());
                }
                taken.write(next);
            }
        }

        @Override
        public VfioPrecopyInfo precopyInfo() {
            return new VfioPrecopyInfo(false, limit - at, 0);
        }

        @Override
        public void close() {}
    }
}
