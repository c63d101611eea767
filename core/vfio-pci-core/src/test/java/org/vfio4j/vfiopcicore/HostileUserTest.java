package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.vfiopcicore.CapabilityListTest.extendedChain;
import static org.vfio4j.vfiopcicore.CapabilityListTest.standardChain;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.vfio.VfioIrqSet;

/** Properties that hold whatever a user sends: random requests, from fixed seeds. */
class HostileUserTest {

    private static final int CONFIG = 7;

    @Test
    void randomConfigWritesChangeNothingThatIsReadOnly() {
        Random random = new Random(1);
        MemorySegment buffer = Arena.ofAuto().allocate(64);
        try (OpenCore disk = OpenCore.disk()) {
            byte[] fixed = readOnlyBits();
            byte[] before = readAll(disk);
            for (int i = 0; i < 50_000; i++) {
                int count = 1 + random.nextInt(16);
                int offset = random.nextInt(random.nextInt(4) == 0 ? 4096 - count : 256 - count);
                byte[] bytes = new byte[count];
                random.nextBytes(bytes);
                MemorySegment.copy(MemorySegment.ofArray(bytes), 0, buffer, 0, count);
                disk.file.write(CONFIG, offset, buffer, 0, count);
            }
            byte[] after = readAll(disk);
            for (int i = 0; i < fixed.length; i++) {
                assertThat(after[i] & fixed[i]).as("byte 0x%x", i).isEqualTo(before[i] & fixed[i]);
            }
            assertThat(standardChain(disk)).hasSize(7);
            assertThat(extendedChain(disk)).hasSize(4);
        }
    }

    @Test
    void randomAccessesFailWithAnErrnoOrNotAtAll() {
        Random random = new Random(2);
        MemorySegment buffer = Arena.ofAuto().allocate(64);
        try (OpenCore disk = OpenCore.disk()) {
            int refused = 0;
            for (int i = 0; i < 50_000; i++) {
                int region = random.nextInt(11) - 1;
                long offset = random.nextInt(8) == 0 ? random.nextLong() : random.nextInt(20_000);
                int count = random.nextInt(64);
                try {
                    if (random.nextBoolean()) {
                        disk.file.read(region, offset, buffer, 0, count);
                    } else {
                        disk.file.write(region, offset, buffer, 0, count);
                    }
                } catch (ErrnoException e) {
                    refused++;
                }
            }
            assertThat(refused).isPositive();
        }
    }

    @Test
    void randomChainsAreWalkedToAnEnd() {
        Random random = new Random(3);
        for (int i = 0; i < 300; i++) {
            FakePciFunction f = FakePciFunction.disk();
            for (int pos = 0x40; pos < 0x100; pos += 4) {
                f.capability(pos, random.nextInt(0x16), random.nextInt(256));
            }
            for (int pos = 0x100; pos < 0x1000; pos += 4) {
                f.extended(pos, random.nextInt(0x30), random.nextInt(0x1000));
            }
            f.done();
            try (OpenCore core = new OpenCore(f)) {
                standardChain(core);
                if (standardChain(core).stream().anyMatch(pos -> core.config(pos, 1) == PCI_CAP_ID_EXP)) {
                    extendedChain(core);
                }
                readAll(core);
            }
        }
    }

    @Test
    void randomIrqRequestsLeakNoDescriptor() {
        Random random = new Random(4);
        Leaks leaks = Leaks.snapshot();
        try (OpenCore disk = OpenCore.disk()) {
            int applied = 0;
            for (int i = 0; i < 20_000; i++) {
                VfioIrqSet set = randomSet(random);
                try {
                    disk.file.setIrqs(set);
                    applied++;
                } catch (ErrnoException e) {
                    assertThat(set.eventFds()).noneMatch(Fd::isOpen);
                }
                disk.function.sink.msi(random.nextInt(10) - 1);
                disk.function.sink.intx(random.nextBoolean());
            }
            assertThat(applied).isGreaterThan(1000);
        }
        leaks.assertNone();
    }

    private static VfioIrqSet randomSet(Random random) {
        int data = 1 << random.nextInt(3);
        int action = 8 << (random.nextBoolean() ? 2 : random.nextInt(3));
        int flags = random.nextInt(20) == 0 ? random.nextInt(128) : data | action;
        int start = random.nextInt(random.nextInt(3) == 0 ? 12 : 3);
        int count = random.nextInt(5);
        List<Fd> fds = new ArrayList<>();
        if (data == 4 && random.nextInt(4) != 0) {
            int n = random.nextInt(10) == 0 ? random.nextInt(4) : count;
            for (int i = 0; i < n; i++) {
                fds.add(EventFd.create());
            }
        }
        List<Boolean> bools = new ArrayList<>();
        for (int i = 0; data == 2 && i < count; i++) {
            bools.add(random.nextBoolean());
        }
        return new VfioIrqSet(flags, random.nextInt(6), start, count, fds, bools);
    }

    // What a user cannot change in FakePciFunction.disk, derived from the specifications and not from the tables under
    // test.
    private static byte[] readOnlyBits() {
        byte[] fixed = new byte[4096];
        Arrays.fill(fixed, 0, 0x40, (byte) 0xff);
        clear(fixed, PCI_COMMAND, 2);
        clear(fixed, PCI_CACHE_LINE_SIZE, 1);
        clear(fixed, PCI_LATENCY_TIMER, 1);
        clear(fixed, PCI_BIST, 1);
        clear(fixed, PCI_BASE_ADDRESS_0, 24);
        fixed[PCI_BASE_ADDRESS_0] = 0x3f;
        fixed[PCI_BASE_ADDRESS_1] = (byte) 0xff;
        fixed[PCI_BASE_ADDRESS_4] = (byte) 0xff;
        clear(fixed, PCI_INTERRUPT_LINE, 1);
        for (int pos : new int[] {0x40, 0x48, 0x54, 0x98, 0xb0, 0xc0, 0xc8}) {
            Arrays.fill(fixed, pos, pos + 2, (byte) 0xff);
        }
        Arrays.fill(fixed, FakePciFunction.PM + 2, FakePciFunction.PM + 4, (byte) 0xff);
        fixed[FakePciFunction.MSIX + 2] = (byte) 0xff;
        fixed[FakePciFunction.MSIX + 3] = 0x3f;
        Arrays.fill(fixed, FakePciFunction.MSIX + 4, FakePciFunction.MSIX + 12, (byte) 0xff);
        Arrays.fill(fixed, FakePciFunction.EXP + 2, FakePciFunction.EXP + 8, (byte) 0xff);
        fixed[FakePciFunction.MSI + 2] = (byte) 0x8e;
        fixed[FakePciFunction.MSI + 3] = (byte) 0xff;
        Arrays.fill(fixed, FakePciFunction.DSN, FakePciFunction.DSN + 12, (byte) 0xff);
        Arrays.fill(fixed, FakePciFunction.EXT_HIDDEN, FakePciFunction.EXT_HIDDEN + 4, (byte) 0xff);
        Arrays.fill(fixed, FakePciFunction.ERR, FakePciFunction.ERR + 4, (byte) 0xff);
        return fixed;
    }

    private static void clear(byte[] bits, int offset, int length) {
        Arrays.fill(bits, offset, offset + length, (byte) 0);
    }

    private static byte[] readAll(OpenCore core) {
        int size = core.function.configSize();
        MemorySegment buffer = Arena.ofAuto().allocate(size);
        core.file.read(CONFIG, 0, buffer, 0, size);
        return buffer.toArray(ValueLayout.JAVA_BYTE);
    }
}
