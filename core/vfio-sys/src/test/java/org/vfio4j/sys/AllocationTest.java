package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Hot calls allocate nothing once they are compiled. */
class AllocationTest {

    private static final int CALLS = 10_000;
    private static final int ATTEMPTS = 50;
    private static final int[] NONE = {};

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @TempDir
    Path directory;

    @Test
    void ofSockets() {
        UnixSocket.Pair pair = UnixSocket.pair();
        MemorySegment buffer = Arena.ofAuto().allocate(64);
        try (SocketIo io = new SocketIo(4);
                Fd near = pair.first();
                Fd far = pair.second()) {
            assertAllocatesNothing(() -> {
                io.send(near.value(), buffer, 0, 16, NONE, 0, 0);
                io.recv(far.value(), buffer, 16, 16, 0);
                io.sendv(far.value(), buffer, 8, buffer, 8, 0);
                io.recv(near.value(), buffer, 16, 16, SocketIo.MSG_DONTWAIT);
            });
        }
    }

    @Test
    void ofWaiting() {
        try (Epoll epoll = Epoll.create();
                Fd event = EventFd.create()) {
            epoll.add(event.value(), Epoll.EPOLLIN, 1);
            assertAllocatesNothing(() -> {
                EventFd.signal(event.value());
                if (epoll.await(0) == 1 && epoll.data(0) == 1) {
                    Poll.poll(event.value(), Poll.POLLIN, 1000);
                    EventFd.drain(event.value());
                }
            });
        }
    }

    @Test
    void ofSignalsToStrangers() {
        try (Fd event = EventFd.create()) {
            assertAllocatesNothing(() -> {
                SharedEventFd.signal(event.value());
                SharedEventFd.writeIfRoom(event.value());
                EventFd.drain(event.value());
            });
        }
    }

    @Test
    void ofFiles() throws Exception {
        Path path = Files.write(directory.resolve("file"), new byte[4096]);
        try (Fd file = FileIo.open(path, FileIo.O_RDWR);
                Mapping memory = Mapping.anonymous(4096)) {
            RawMemory.putLong(memory.address(), memory.address() + 64);
            RawMemory.putLong(memory.address() + 8, 512);
            assertAllocatesNothing(() -> {
                FileIo.pread(file.value(), memory.address() + 64, 512, 0);
                FileIo.pwritev(file.value(), memory.address(), 1, 0);
            });
        }
    }

    @Test
    void ofIoUring() throws Exception {
        Path path = Files.write(directory.resolve("file"), new byte[4096]);
        IoUring.CompletionHandler ignore = (userData, result) -> {};
        try (Fd file = FileIo.open(path, FileIo.O_RDWR);
                Mapping memory = Mapping.anonymous(4096);
                IoUring ring = IoUring.create(8)) {
            assertAllocatesNothing(() -> {
                ring.prepRead(file.value(), memory.address(), 512, 0, 1);
                ring.prepWrite(file.value(), memory.address(), 512, 512, 2);
                ring.submit();
                ring.await();
                ring.reap(ignore);
            });
        }
    }

    private void assertAllocatesNothing(Runnable calls) {
        long least = Long.MAX_VALUE;
        for (int attempt = 0; attempt < ATTEMPTS && least > 0; attempt++) {
            long before = threads.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < CALLS; i++) {
                calls.run();
            }
            least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
        }
        assertThat(least).as("bytes for %d calls", CALLS).isZero();
    }
}
