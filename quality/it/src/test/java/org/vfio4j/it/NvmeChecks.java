package org.vfio4j.it;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.vfio4j.it.HostChecks.expect;
import static org.vfio4j.it.HostChecks.expectEqual;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.userspace.nvme.NvmeDriver;
import org.vfio4j.userspace.nvme.NvmeOptions;
import org.vfio4j.userspace.nvme.NvmeQueue;
import org.vfio4j.vfiolinux.LinuxVfioDevice;

/** This project's NVMe driver on a controller that is hardware to it. */
final class NvmeChecks {

    private static final int PIECE_BYTES = 128 << 10;
    private static final long PATIENCE_NS = 20_000_000_000L;

    private NvmeChecks() {}

    static void run(PciAddress address, List<String> words) {
        try (LinuxVfioDevice file = LinuxVfioDevice.open(address)) {
            switch (words.getFirst()) {
                case "write" -> write(file, number(words, 1), Images.pattern(number(words, 2), (int) number(words, 3)));
                case "read" -> read(file, number(words, 1), (int) number(words, 2));
                default -> throw new IllegalArgumentException(words.toString());
            }
        }
    }

    private static long number(List<String> words, int index) {
        return Long.parseLong(words.get(index));
    }

    /** With mapped doorbells and interrupts. */
    private static void write(LinuxVfioDevice file, long offset, byte[] bytes) {
        try (NvmeDriver driver = NvmeDriver.open(file, NvmeOptions.DEFAULTS)) {
            expectEqual("doorbells", NvmeOptions.Doorbells.MAPPED, driver.doorbells());
            expect("interrupts", driver.interrupted());
            NvmeQueue queue = driver.queue(0);
            long buffer = driver.memory().allocate(PIECE_BYTES, 4096);
            MemorySegment piece = driver.memory().segment(buffer, PIECE_BYTES);
            for (int at = 0; at < bytes.length; at += PIECE_BYTES) {
                MemorySegment.copy(bytes, at, piece, JAVA_BYTE, 0, PIECE_BYTES);
                expect("room", queue.write(offset + at, buffer, PIECE_BYTES, 0));
                complete(queue);
            }
            expect("room", queue.flush(0));
            complete(queue);
        }
    }

    /** Prints the sum of what it read. */
    private static void read(LinuxVfioDevice file, long offset, int count) {
        byte[] bytes = new byte[count];
        try (NvmeDriver driver = NvmeDriver.open(file, NvmeOptions.DEFAULTS)) {
            NvmeQueue queue = driver.queue(0);
            long buffer = driver.memory().allocate(PIECE_BYTES, 4096);
            MemorySegment piece = driver.memory().segment(buffer, PIECE_BYTES);
            for (int at = 0; at < count; at += PIECE_BYTES) {
                expect("room", queue.read(offset + at, buffer, PIECE_BYTES, 0));
                complete(queue);
                MemorySegment.copy(piece, JAVA_BYTE, 0, bytes, at, PIECE_BYTES);
            }
        }
        System.out.println(Images.sha256(bytes));
    }

    private static void complete(NvmeQueue queue) {
        queue.kick();
        expect("a completion in time", queue.await(PATIENCE_NS));
        expectEqual("completions", 1, queue.poll((tag, result) -> expectEqual("result", 0, result)));
    }
}
