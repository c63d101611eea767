package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EPERM;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;
import static org.vfio4j.uapi.Vfio.*;
import static org.vfio4j.vfiopcicore.Refusals.assertErrno;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;

/** Traps: a driver sees accesses of users first. */
class TrapTest {

    private static final int BAR = 4;
    private static final int TAIL = 0x1000;

    private final OpenCore disk = OpenCore.disk();
    private final List<String> seen = new ArrayList<>();

    @AfterEach
    void close() {
        disk.close();
    }

    @Test
    void refusesRangesThatAreNotThere() {
        VfioPciTrapHandler watcher = new Watcher(false);
        assertErrno(EINVAL, () -> disk.core.trap(2, 0, 4, watcher));
        assertErrno(EINVAL, () -> disk.core.trap(8, 0, 4, watcher));
        assertErrno(EINVAL, () -> disk.core.trap(-1, 0, 4, watcher));
        assertErrno(EINVAL, () -> disk.core.trap(BAR, 0, 0, watcher));
        assertErrno(EINVAL, () -> disk.core.trap(BAR, -4, 4, watcher));
        assertErrno(EINVAL, () -> disk.core.trap(BAR, 16384 - 3, 4, watcher));
        assertErrno(EINVAL, () -> disk.core.trap(BAR, Long.MAX_VALUE, 4, watcher));
        assertErrno(EINVAL, () -> disk.core.trap(BAR, 8, Long.MAX_VALUE, watcher));
    }

    @Test
    void refusesARangeThatIsTrappedAlready() {
        disk.core.trap(BAR, 8, 8, new Watcher(false));
        assertErrno(EEXIST, () -> disk.core.trap(BAR, 15, 1, new Watcher(false)));
        assertErrno(EEXIST, () -> disk.core.trap(BAR, 0, 9, new Watcher(false)));
        assertErrno(EEXIST, () -> disk.core.trap(BAR, 0, 64, new Watcher(false)));
        disk.core.trap(BAR, 16, 1, new Watcher(false));
        disk.core.trap(BAR, 0, 8, new Watcher(false));
    }

    @Test
    void whatTheHandlerRefusesTheDeviceDoesNotSee() {
        disk.core.trap(BAR, TAIL, 4, new VfioPciTrapHandler() {
            @Override
            public boolean write(long offset, MemorySegment buffer, long at, int count) {
                throw new ErrnoException(EPERM, "not now");
            }
        });
        assertErrno(EPERM, () -> disk.write(BAR, TAIL, 4, 1));
        assertThat(disk.function.barLog).isEmpty();
    }

    @Test
    void anAccessThatFallsThroughReachesTheDeviceToo() {
        disk.core.trap(BAR, TAIL, 4, new Watcher(false));
        disk.write(BAR, TAIL, 4, 0x1234);
        assertThat(disk.read(BAR, TAIL, 4)).isEqualTo(0x1234);
        assertThat(seen).containsExactly("w4@4096", "r4@4096");
        assertThat(disk.function.barLog).containsExactly("w4@4096", "r4@4096");
    }

    @Test
    void anAnsweredAccessEndsWithTheHandler() {
        disk.core.trap(BAR, TAIL, 4, new Watcher(true));
        disk.write(BAR, TAIL, 4, 0x1234);
        assertThat(disk.read(BAR, TAIL, 4)).isEqualTo(0xffff_ffffL);
        assertThat(disk.function.barLog).isEmpty();
    }

    @Test
    void anAccessAcrossEdgesIsCutThere() {
        disk.core.trap(BAR, 8, 4, new Watcher(true));
        disk.core.trap(BAR, 20, 2, new Watcher(false));
        MemorySegment buffer = Arena.ofAuto().allocate(40);
        disk.file.read(BAR, 4, buffer, 3, 24);
        assertThat(seen).containsExactly("r4@8", "r2@20");
        assertThat(disk.function.barLog).containsExactly("r4@4", "r4@12", "r4@16", "r2@20", "r2@22", "r4@24");
        for (int i = 0; i < 40; i++) {
            int expected = i >= 7 && i < 11 ? -1 : 0;
            assertThat(buffer.get(ValueLayout.JAVA_BYTE, i)).as("byte %d", i).isEqualTo((byte) expected);
        }
        disk.file.write(BAR, 6, buffer, 0, 4);
        assertThat(seen).last().isEqualTo("w2@8");
        assertThat(disk.function.barLog).last().isEqualTo("w2@6");
    }

    @Test
    void besideATrapTheDeviceIsAlone() {
        disk.core.trap(BAR, 8, 4, new Watcher(true));
        disk.write(BAR, 4, 4, 1);
        disk.write(BAR, 12, 4, 1);
        disk.write(1, 8, 4, 1);
        assertThat(seen).isEmpty();
        assertThat(disk.function.barLog).hasSize(2);
    }

    @Test
    void seesAccessesEvenWhileTheDeviceDecodesNothing() {
        disk.config(PCI_COMMAND, 2, 0);
        disk.core.trap(BAR, 0, 4, new Watcher(true));
        assertThat(disk.read(BAR, 0, 4)).isEqualTo(0xffff_ffffL);
    }

    @Test
    void worksOnConfigurationSpaceAndAddedRegions() {
        disk.close();
        MemoryRegion region = new MemoryRegion(16);
        try (OpenCore other = new OpenCore(FakePciFunction.disk(), core -> {
            core.registerDevRegion(1, 1, region, 16, VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE);
            core.trap(VFIO_PCI_CONFIG_REGION_INDEX, PCI_VENDOR_ID, 2, new Watcher(true));
            core.trap(9, 4, 4, new Watcher(true));
        })) {
            assertThat(other.config(PCI_VENDOR_ID, 4)).isEqualTo(0x1042_ffff);
            other.write(9, 2, 4, 0x4433_2211);
            assertThat(region.bytes[3]).isEqualTo((byte) 0x22);
            assertThat(region.bytes[4]).isZero();
            assertThat(seen).containsExactly("r2@0", "w2@4");
        }
    }

    @Test
    void aClosedTrapSeesNothingAndClosingItAgainIsNoError() {
        VfioPciTrap first = disk.core.trap(BAR, 0, 4, new Watcher(true));
        VfioPciTrap second = disk.core.trap(BAR, 4, 4, new Watcher(true));
        first.close();
        first.close();
        disk.write(BAR, 0, 8, 1);
        assertThat(seen).containsExactly("w4@4");
        second.close();
        disk.write(BAR, 0, 8, 1);
        assertThat(disk.function.barLog).containsExactly("w4@0", "w8@0");
    }

    @Test
    void everyByteOfAnyAccessGoesToOneOfThem() {
        Random random = new Random(11);
        MemoryRegion trapped = new MemoryRegion(64);
        MemoryRegion plain = new MemoryRegion(64);
        int flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
        disk.close();
        try (OpenCore other = new OpenCore(FakePciFunction.disk(), core -> {
            core.registerDevRegion(1, 1, plain, 64, flags);
        })) {
            MemorySegment buffer = Arena.ofAuto().allocate(64);
            for (int round = 0; round < 500; round++) {
                BitSet owned = new BitSet();
                List<VfioPciTrap> traps = trapAtRandom(other.core, random, trapped, owned);
                int offset = random.nextInt(64);
                int count = 1 + random.nextInt(64 - offset);
                random.nextBytes(plain.bytes);
                random.nextBytes(trapped.bytes);
                other.file.read(9, offset, buffer, 0, count);
                for (int i = 0; i < count; i++) {
                    byte expected = (owned.get(offset + i) ? trapped : plain).bytes[offset + i];
                    assertThat(buffer.get(ValueLayout.JAVA_BYTE, i))
                            .as("byte %d of round %d, trapped %s", offset + i, round, owned)
                            .isEqualTo(expected);
                }
                traps.forEach(VfioPciTrap::close);
            }
        }
    }

    private static List<VfioPciTrap> trapAtRandom(VfioPciCore core, Random random, MemoryRegion to, BitSet owned) {
        List<VfioPciTrap> traps = new ArrayList<>();
        for (int i = random.nextInt(6); i > 0; i--) {
            int start = random.nextInt(64);
            int end = start + 1 + random.nextInt(Math.min(64 - start, 9));
            if (owned.get(start, end).isEmpty()) {
                owned.set(start, end);
                traps.add(core.trap(9, start, end - start, new VfioPciTrapHandler() {
                    @Override
                    public boolean read(long offset, MemorySegment buffer, long at, int count) {
                        to.read(offset, buffer, at, count);
                        return true;
                    }
                }));
            }
        }
        return traps;
    }

    @Test
    void settingAndClosingOnAnotherThreadNeverLosesAnAccess() throws Exception {
        int rounds = 20_000;
        Thread setter = Thread.ofPlatform().start(() -> {
            for (int i = 0; i < rounds; i++) {
                disk.core.trap(BAR, 8, 8, new Ones()).close();
            }
        });
        long answers = 0;
        boolean more = true;
        while (more) {
            more = setter.isAlive();
            long value = disk.read(BAR, 4, 8);
            assertThat(value == 0 || value == 0xffff_ffff_0000_0000L)
                    .as("read 0x%x", value)
                    .isTrue();
            disk.function.barLog.clear();
            answers++;
        }
        setter.join();
        assertThat(answers).isPositive();
        assertThat(disk.read(BAR, 4, 8)).isZero();
    }

    /** Answers every read with ones. */
    private static final class Ones implements VfioPciTrapHandler {
        @Override
        public boolean read(long offset, MemorySegment buffer, long at, int count) {
            buffer.asSlice(at, count).fill((byte) -1);
            return true;
        }
    }

    /** Writes down what it sees; answers with ones, or lets through. */
    private final class Watcher implements VfioPciTrapHandler {

        private final boolean answers;

        Watcher(boolean answers) {
            this.answers = answers;
        }

        @Override
        public boolean read(long offset, MemorySegment buffer, long at, int count) {
            seen.add("r" + count + "@" + offset);
            if (answers) {
                buffer.asSlice(at, count).fill((byte) -1);
            }
            return answers;
        }

        @Override
        public boolean write(long offset, MemorySegment buffer, long at, int count) {
            seen.add("w" + count + "@" + offset);
            return answers;
        }
    }
}
