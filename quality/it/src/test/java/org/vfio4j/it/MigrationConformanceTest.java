package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.time.Duration;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.VfioPciConformance;
import org.vfio4j.testkit.VfioPciConformance.Report;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioDeviceOps;
import org.vfio4j.vfio.VfioMigrationOps;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfio.VfioMigrationStream;
import org.vfio4j.vfio.VfioPrecopyInfo;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciCore;
import org.vfio4j.virtioblk.VirtioBlk;

/** The conformance suite's rules for live migration, on a device that keeps them, and on some that do not. */
class MigrationConformanceTest {

    private static final int STOP_COPY = 1;
    private static final int P2P = 2;
    private static final int PRE_COPY = 4;

    private final VfioRegistry registry = new VfioRegistry();
    private final BlockBackend storage = new MemoryBackend(1 << 20);
    private final VirtioBlk disk = VirtioBlk.builder(storage).build();

    @AfterEach
    void close() {
        disk.close();
        storage.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {STOP_COPY, STOP_COPY | P2P, STOP_COPY | PRE_COPY, STOP_COPY | P2P | PRE_COPY})
    void holdsForADeviceThatMigrates(int flags) {
        Report report = check(new State(flags, true));
        assertThat(report.broken()).isEmpty();
        assertThat(report.silent()).noneMatch(rule -> rule.startsWith("migration.") && !rule.contains("Without"));
    }

    @Test
    void catchesADeviceThatTakesAnythingForAState() {
        assertThat(check(new State(STOP_COPY, false)).broken())
                .anyMatch(broken ->
                        broken.startsWith("migration.refusesGarbage: 256 bytes of 0xa5 was taken for a state"))
                .anyMatch(broken -> broken.startsWith("migration.refusesACutStream: "))
                .hasSize(2);
    }

    private Report check(VfioMigrationOps migration) {
        VfioPciCore core = new VfioPciCore("migrating", disk.function());
        VfioDeviceOps ops = (VfioDeviceOps) Proxy.newProxyInstance(
                VfioDeviceOps.class.getClassLoader(),
                new Class<?>[] {VfioDeviceOps.class},
                (proxy, method, arguments) -> {
                    if (method.getName().equals("migration")) {
                        return Optional.of(migration);
                    }
                    try {
                        return method.invoke(core, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
        VfioDevice device = registry.register(ops, () -> () -> {}, "0000:08:00.0");
        try {
            return VfioPciConformance.check(() -> LocalDisk.open(device));
        } finally {
            registry.unregister(device, Duration.ofSeconds(10));
        }
    }

    /** A device whose state is always the same. */
    private static final class State implements VfioMigrationOps {

        private static final byte[] BYTES =
                "the state of a device".getBytes(java.nio.charset.StandardCharsets.US_ASCII);

        private final int flags;
        private final boolean strict;
        private final ByteArrayOutputStream taken = new ByteArrayOutputStream();

        State(int flags, boolean strict) {
            this.flags = flags;
            this.strict = strict;
        }

        @Override
        public int flags() {
            return flags;
        }

        @Override
        public Optional<VfioMigrationStream> arc(VfioMigrationState from, VfioMigrationState to) {
            if (from == VfioMigrationState.RESUMING && strict && !Arrays.equals(taken.toByteArray(), BYTES)) {
                throw new ErrnoException(Errno.EINVAL, taken.size() + " bytes are no state");
            }
            taken.reset();
            boolean begins = switch (to) {
                case RESUMING -> true;
                case STOP_COPY -> from == VfioMigrationState.STOP;
                case PRE_COPY -> from == VfioMigrationState.RUNNING;
                case PRE_COPY_P2P -> from == VfioMigrationState.RUNNING_P2P;
                default -> false;
            };
            return begins ? Optional.of(new Stream()) : Optional.empty();
        }

        @Override
        public long stopCopyLength() {
            return BYTES.length;
        }

        private final class Stream implements VfioMigrationStream {

            private int at;

            @Override
            public int read(MemorySegment buffer, long to, int count) {
                int length = Math.min(count, BYTES.length - at);
                MemorySegment.copy(BYTES, at, buffer, ValueLayout.JAVA_BYTE, to, length);
                at += length;
                return length;
            }

            @Override
            public void write(MemorySegment buffer, long from, int count) {
                taken.writeBytes(buffer.asSlice(from, count).toArray(ValueLayout.JAVA_BYTE));
            }

            @Override
            public VfioPrecopyInfo precopyInfo() {
                return new VfioPrecopyInfo(false, BYTES.length - at, 0);
            }

            @Override
            public void close() {}
        }
    }
}
