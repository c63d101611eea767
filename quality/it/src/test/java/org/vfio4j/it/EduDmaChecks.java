package org.vfio4j.it;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.vfio4j.it.EduDevice.MEMORY_BYTES;
import static org.vfio4j.it.HostChecks.expect;
import static org.vfio4j.it.HostChecks.expectRefused;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.MemFd;

/** What {@link EduDevice} reads and writes of the memory that is mapped for it, and of what is not. */
final class EduDmaChecks {

    private static final int READ_WRITE = DmaSpace.READ | DmaSpace.WRITE;

    /** Below what edu addresses: 28 bits. */
    private static final long IOVA = 0x100_0000;

    private static final long OTHER_IOVA = 0x200_0000;

    private static final byte[] SECRET = Images.pattern(21, MEMORY_BYTES);

    private EduDmaChecks() {}

    static void run(PciAddress address, String name) {
        try (EduDevice edu = EduDevice.open(address)) {
            edu.allowDma();
            switch (name) {
                case "there-and-back" -> thereAndBack(edu);
                case "unmapped" -> unmapped(edu);
                case "read-only" -> readOnly(edu);
                case "refusals" -> refusals(edu);
                default -> throw new IllegalArgumentException(name);
            }
        }
    }

    private static void thereAndBack(EduDevice edu) {
        try (Memory memory = Memory.of(SECRET, 2 * MEMORY_BYTES)) {
            edu.file().dmaMap(IOVA, 2 * MEMORY_BYTES, READ_WRITE, memory.fd, 0);
            edu.readDma(IOVA, MEMORY_BYTES);
            edu.writeDma(IOVA + MEMORY_BYTES, MEMORY_BYTES);
            expect("what came back is what went", Arrays.equals(SECRET, memory.bytes(MEMORY_BYTES)));
            edu.file().dmaUnmap(IOVA, 2 * MEMORY_BYTES);
        }
    }

    /** Neither does the device get what is there, nor does what it writes get there. */
    private static void unmapped(EduDevice edu) {
        byte[] others = Images.pattern(22, MEMORY_BYTES);
        try (Memory memory = Memory.of(SECRET, MEMORY_BYTES);
                Memory other = Memory.of(others, MEMORY_BYTES)) {
            edu.file().dmaMap(IOVA, MEMORY_BYTES, READ_WRITE, memory.fd, 0);
            edu.file().dmaMap(OTHER_IOVA, MEMORY_BYTES, READ_WRITE, other.fd, 0);
            edu.readDma(OTHER_IOVA, MEMORY_BYTES);
            edu.file().dmaUnmap(IOVA, MEMORY_BYTES);
            edu.writeDma(IOVA, MEMORY_BYTES);
            expect("unmapped memory is as it was", Arrays.equals(SECRET, memory.bytes(0)));
            edu.readDma(IOVA, MEMORY_BYTES);
            edu.writeDma(OTHER_IOVA, MEMORY_BYTES);
            byte[] got = other.bytes(0);
            int same = 0;
            for (int i = 0; i < got.length; i++) {
                same += got[i] == SECRET[i] ? 1 : 0;
            }
            expect(same + " bytes of unmapped memory", same < got.length / 8);
            edu.file().dmaUnmapAll();
        }
    }

    private static void readOnly(EduDevice edu) {
        byte[] others = Images.pattern(23, MEMORY_BYTES);
        try (Memory memory = Memory.of(SECRET, MEMORY_BYTES);
                Memory other = Memory.of(others, MEMORY_BYTES)) {
            edu.file().dmaMap(IOVA, MEMORY_BYTES, DmaSpace.READ, memory.fd, 0);
            edu.file().dmaMap(OTHER_IOVA, MEMORY_BYTES, READ_WRITE, other.fd, 0);
            edu.readDma(OTHER_IOVA, MEMORY_BYTES);
            edu.writeDma(IOVA, MEMORY_BYTES);
            expect("memory to read is as it was", Arrays.equals(SECRET, memory.bytes(0)));
            edu.readDma(IOVA, MEMORY_BYTES);
            edu.writeDma(OTHER_IOVA, MEMORY_BYTES);
            expect("it is read", Arrays.equals(SECRET, other.bytes(0)));
        }
    }

    /** What is mapped stays usable. */
    private static void refusals(EduDevice edu) {
        try (Memory memory = Memory.of(SECRET, MEMORY_BYTES)) {
            edu.file().dmaMap(IOVA, MEMORY_BYTES, READ_WRITE, memory.fd, 0);
            expectRefused(
                    Errno.EEXIST, "0x1000000", () -> edu.file().dmaMap(IOVA, MEMORY_BYTES, READ_WRITE, memory.fd, 0));
            expectRefused(
                    Errno.EINVAL,
                    "multiples of 4096",
                    () -> edu.file().dmaMap(OTHER_IOVA, 1, READ_WRITE, memory.fd, 0));
            expectRefused(Errno.ENOENT, "no map", () -> edu.file().dmaUnmap(OTHER_IOVA, MEMORY_BYTES));
            // All of it has gone: an error, and no signal that ends the process.
            FileIo.truncate(memory.fd, 0);
            expectRefused(
                    Errno.EFAULT,
                    "0x2000000",
                    () -> edu.file().dmaMap(OTHER_IOVA, MEMORY_BYTES, READ_WRITE, memory.fd, 0));
            edu.readDma(IOVA, MEMORY_BYTES);
        }
        edu.file().dmaUnmapAll();
        thereAndBack(edu);
    }

    /** Memory with a descriptor, which this process sees as well. */
    private record Memory(Fd fd, Mapping mapping) implements AutoCloseable {

        static Memory of(byte[] contents, int sizeBytes) {
            Fd fd = MemFd.create("check", sizeBytes);
            Mapping mapping = Mapping.shared(fd, 0, sizeBytes, Mapping.PROT_READ | Mapping.PROT_WRITE);
            MemorySegment.copy(contents, 0, mapping.segment(), JAVA_BYTE, 0, contents.length);
            return new Memory(fd, mapping);
        }

        byte[] bytes(int offset) {
            return mapping.segment().asSlice(offset, MEMORY_BYTES).toArray(JAVA_BYTE);
        }

        @Override
        public void close() {
            mapping.close();
            fd.close();
        }
    }
}
