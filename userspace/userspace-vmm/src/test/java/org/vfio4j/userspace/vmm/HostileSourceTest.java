package org.vfio4j.userspace.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Mapping;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfio.VfioPciConfigCopy;

/** A destination believes nothing: whatever comes, it fails in good order, and its device works for the next guest. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class HostileSourceTest {

    private static final DiskGuestOptions LOAD = DiskGuestOptions.RANDOM_WRITES;

    private final MemoryBackend storage = new MemoryBackend(1 << 20);
    private final Host host = new Host(storage);
    private int mappings;

    @BeforeEach
    void count() {
        mappings = Mapping.openCount();
    }

    @AfterEach
    void close() {
        try {
            try (GuestDevice device = host.connect()) {
                assertThat(new MigratingDevice(device).state()).isEqualTo(VfioMigrationState.RUNNING);
            }
            // The server notices the end of a connection on its own thread.
            long deadline = System.nanoTime() + 10_000_000_000L;
            while (Mapping.openCount() != mappings && System.nanoTime() < deadline) {
                Thread.onSpinWait();
            }
            assertThat(Mapping.openCount()).as("memory is given back").isEqualTo(mappings);
            VirtualMachine next = host.boot(LOAD);
            while (((DiskGuest) next.guest()).counters().writes() < 10) {
                Thread.onSpinWait();
            }
            assertThat(((DiskGuest) next.guest()).finish()).isPositive();
            next.device().close();
            next.memory().close();
        } finally {
            host.close();
            storage.close();
        }
    }

    @Test
    void noHello() {
        expect(Errno.EPROTO, frame(MigrationFrame.PAGES, Host.IOVA, new byte[4096]));
        expect(Errno.EPROTO, frame(MigrationFrame.HELLO, 0, "GET / HTTP/1.1\r\n".getBytes(StandardCharsets.US_ASCII)));
        expect(Errno.ECONNRESET);
    }

    @Test
    void aHugeHello() {
        expect(Errno.EPROTO, header(MigrationFrame.HELLO, 0, Long.MAX_VALUE));
        expect(Errno.EPROTO, header(MigrationFrame.HELLO, 0, -1));
    }

    @Test
    void anotherVersion() {
        byte[] hello = hello(List.of(new GuestMemory.Range(Host.IOVA, 4 << 20)));
        hello[Long.BYTES] ^= 2;
        expect(Errno.EPROTONOSUPPORT, frame(MigrationFrame.HELLO, 0, hello));
    }

    @Test
    void memoryThatOverlapsOrIsTooMuch() {
        GuestMemory.Range range = new GuestMemory.Range(Host.IOVA, 4 << 20);
        expect(Errno.EINVAL, frame(MigrationFrame.HELLO, 0, hello(List.of(range, range))));
        expect(
                Errno.EINVAL,
                frame(
                        MigrationFrame.HELLO,
                        0,
                        hello(List.of(range, new GuestMemory.Range(Host.IOVA + (2 << 20), 2 << 20)))));
        expect(Errno.ENOMEM, frame(MigrationFrame.HELLO, 0, hello(List.of(new GuestMemory.Range(0, 1L << 35)))));
        GuestMemory.Range half = new GuestMemory.Range(0, 1L << 62);
        expect(Errno.E2BIG, frame(MigrationFrame.HELLO, 0, hello(List.of(half))));
        expect(
                Errno.E2BIG,
                frame(
                        MigrationFrame.HELLO,
                        0,
                        hello(List.of(half, new GuestMemory.Range(1L << 62, (1L << 62) - (2 << 20))))));
    }

    @Test
    void pagesThatTheGuestDoesNotHave() {
        byte[] page = new byte[4096];
        expect(Errno.EFAULT, good(), frame(MigrationFrame.PAGES, Host.IOVA - 4096, page));
        expect(Errno.EFAULT, good(), frame(MigrationFrame.PAGES, Host.IOVA + Host.MEMORY_BYTES, page));
        expect(Errno.EFAULT, good(), frame(MigrationFrame.PAGES, -4096, page));
        expect(Errno.EFAULT, good(), header(MigrationFrame.ZEROES, Host.IOVA, Long.MAX_VALUE & -4096));
        expect(Errno.EFAULT, good(), header(MigrationFrame.ZEROES, Host.IOVA + 4096, Host.MEMORY_BYTES));
        expect(Errno.EPROTO, good(), frame(MigrationFrame.PAGES, Host.IOVA + 1, page));
        expect(Errno.EPROTO, good(), frame(MigrationFrame.PAGES, Host.IOVA, new byte[100]));
        expect(Errno.EPROTO, good(), header(MigrationFrame.PAGES, Host.IOVA, MigrationFrame.MAX_PAGES_BYTES + 4096));
    }

    @Test
    void stateThatIsNone() {
        expect(Errno.EINVAL, good(), frame(MigrationFrame.DEVICE, 0, new byte[100]));
        expect(Errno.EPROTO, good(), header(MigrationFrame.GUEST, 0, 1L << 40));
        expect(Errno.EPROTO, good(), header(MigrationFrame.CONFIG, 0, 1 << 20));
        expect(Errno.EPROTO, good(), header(MigrationFrame.ROUND, 0, 1));
        expect(Errno.EPROTO, good(), header(MigrationFrame.GO, 0, 0));
        expect(Errno.EPROTO, good(), header(12345, 0, 0));
        // No state of the device, no configuration.
        expect(Errno.EINVAL, good(), header(MigrationFrame.END, 0, 0));
    }

    /** A whole migration, recorded, with some bytes of it changed: it fails or does not, and never otherwise than with an errno. */
    @Test
    void aRecordedStreamWithOtherBytes() {
        byte[] recorded = record();
        Random random = new Random(5);
        for (int i = 0; i < 60; i++) {
            byte[] changed = recorded.clone();
            for (int flips = 1 + random.nextInt(4); flips > 0; flips--) {
                // Rather near its end, where there are few pages and much state.
                int back = 1 + (int) (changed.length * Math.pow(random.nextDouble(), 6));
                changed[changed.length - Math.min(back, changed.length)] = (byte) random.nextInt();
            }
            try {
                replay(changed).ifPresent(machine -> {
                    machine.guest().stop();
                    machine.guest().forget();
                    machine.device().reset();
                    machine.device().close();
                    machine.memory().close();
                });
            } catch (ErrnoException | IndexOutOfBoundsException e) {
                assertThat(e).hasMessageMatching("(?s).+");
            }
        }
    }

    private Optional<VirtualMachine> replay(byte[] stream) {
        GuestDevice device = host.connect();
        try {
            return Optional.of(
                    new MigrationDestination(device, new Replay(stream), DiskGuest.loader(device), 1L << 30).run());
        } catch (RuntimeException e) {
            device.close();
            throw e;
        }
    }

    /** What a source sends when all goes well. */
    private byte[] record() {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (Host source = new Host(storage);
                Link link = Link.open()) {
            VirtualMachine machine = source.boot(LOAD, 4 << 20);
            while (((DiskGuest) machine.guest()).counters().writes() < 100) {
                Thread.onSpinWait();
            }
            Arrival arrival = new Arrival(host, link.destination());
            MigrationChannel recording = new Recording(link.source(), bytes);
            new MigrationSource(machine, recording, MigrationOptions.DEFAULTS, p -> {}).run();
            machine.device().close();
            machine.memory().close();
            VirtualMachine there = arrival.machine();
            ((DiskGuest) there.guest()).finish();
            there.device().close();
            there.memory().close();
        }
        return bytes.toByteArray();
    }

    private void expect(int errno, byte[]... pieces) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] piece : pieces) {
            all.writeBytes(piece);
        }
        assertThatThrownBy(() -> replay(all.toByteArray()))
                .isInstanceOfSatisfying(
                        ErrnoException.class,
                        e -> assertThat(e.errno()).as(e.getMessage()).isEqualTo(errno));
    }

    /** A HELLO that is welcome. */
    private byte[] good() {
        return frame(MigrationFrame.HELLO, 0, hello(List.of(new GuestMemory.Range(Host.IOVA, Host.MEMORY_BYTES))));
    }

    private byte[] hello(List<GuestMemory.Range> ranges) {
        VirtualMachine machine = host.boot(DiskGuestOptions.IDLE);
        try {
            return new MigrationHello(
                            machine.guest().kind(),
                            machine.guest().shape(),
                            VfioPciConfigCopy.of(machine.device()).bytes(),
                            new MigratingDevice(machine.device()).flags(),
                            ranges,
                            List.of())
                    .toBytes();
        } finally {
            ((DiskGuest) machine.guest()).finish();
            machine.device().close();
            machine.memory().close();
        }
    }

    private static byte[] frame(int type, long value, byte[] data) {
        byte[] header = header(type, value, data.length);
        return ByteBuffer.allocate(header.length + data.length)
                .put(header)
                .put(data)
                .array();
    }

    private static byte[] header(int type, long value, long length) {
        return ByteBuffer.allocate(MigrationFrame.HEADER_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(type)
                .putInt(0)
                .putLong(value)
                .putLong(length)
                .array();
    }

    /** Notes what is sent. */
    private record Recording(MigrationChannel channel, ByteArrayOutputStream bytes) implements MigrationChannel {
        @Override
        public void write(List<MemorySegment> pieces) {
            for (MemorySegment piece : pieces) {
                // Once, since the guest writes to it.
                byte[] copy = piece.toArray(ValueLayout.JAVA_BYTE);
                bytes.writeBytes(copy);
                channel.write(List.of(MemorySegment.ofArray(copy)));
            }
        }

        @Override
        public int read(MemorySegment into) {
            return channel.read(into);
        }

        @Override
        public void close() {
            channel.close();
        }
    }

    /** Says what it has, and hears nothing. */
    private static final class Replay implements MigrationChannel {
        private final MemorySegment stream;
        private long at;

        Replay(byte[] stream) {
            this.stream = MemorySegment.ofArray(stream);
        }

        @Override
        public void write(List<MemorySegment> pieces) {}

        @Override
        public int read(MemorySegment into) {
            int count = (int) Math.min(into.byteSize(), stream.byteSize() - at);
            MemorySegment.copy(stream, at, into, 0, count);
            at += count;
            return count == 0 ? -1 : count;
        }

        @Override
        public void close() {}
    }
}
