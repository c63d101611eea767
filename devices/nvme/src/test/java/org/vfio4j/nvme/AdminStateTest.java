package org.vfio4j.nvme;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.vfio4j.nvme.NvmeSpec.ASYNCHRONOUS_EVENT_REQUEST;
import static org.vfio4j.nvme.NvmeSpec.GET_FEATURES;
import static org.vfio4j.nvme.NvmeSpec.SET_FEATURES;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.block.NullBackend;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.RawMemory;

/** The state of the admin commands, from one controller to another. */
class AdminStateTest {

    private final AdminFixture source = new AdminFixture();
    private final AdminFixture target = new AdminFixture();

    @AfterEach
    void close() {
        source.close();
        target.close();
    }

    private byte[] used() {
        source.run(SET_FEATURES, 0, 0x0b, 0x1ff);
        source.run(SET_FEATURES, 0, 0x07, 0x0001_0001);
        source.run(SET_FEATURES, 0, 0x09, 0x1_0003);
        source.run(SET_FEATURES, 2, 0x84, 1);
        source.run(SET_FEATURES, 0, 0x04, 330);
        RawMemory.putLong(source.data(), 1000);
        source.run(SET_FEATURES, 0, 0x0e);
        source.controller.tally.reads = 50;
        source.admin.failed(1, 2, NvmeStatus.LBA_OUT_OF_RANGE, 1, 77);
        source.runRaw(ASYNCHRONOUS_EVENT_REQUEST, 0);
        source.admin.setStorage(1, source.first);
        source.admin.setTemperature(335);
        source.runRaw(ASYNCHRONOUS_EVENT_REQUEST, 0);
        source.runRaw(ASYNCHRONOUS_EVENT_REQUEST, 0);
        source.admin.namespaces().allocated(1).attached = false;
        source.admin.namespaces().allocated(1).setFormat(1);
        source.pass(3600);
        return source.admin.save();
    }

    private static void assertRefused(AdminFixture into, byte[] state) {
        byte[] before = into.admin.save();
        ErrnoException e = assertThrows(ErrnoException.class, () -> into.admin.load(state));
        assertEquals(Errno.EINVAL, e.errno());
        assertArrayEquals(before, into.admin.save());
    }

    @Test
    void refusesAStateThatIsCutAnywhere() {
        byte[] state = used();
        for (int length = 0; length < state.length; length++) {
            assertRefused(target, Arrays.copyOf(state, length));
        }
        assertRefused(target, Arrays.copyOf(state, state.length + 1));
    }

    @Test
    void refusesTheStateOfOtherNamespaces() {
        byte[] state = used();
        target.admin.setStorage(1, new NullBackend(8 << 20));
        assertRefused(target, state);
    }

    @Test
    void takesNoDamageFromAStateThatIsNone() {
        byte[] state = used();
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < 20_000; i++) {
            byte[] bad = state.clone();
            for (int flips = random.nextInt(1, 4); flips > 0; flips--) {
                bad[random.nextInt(bad.length)] ^= (byte) (1 << random.nextInt(8));
            }
            try {
                target.admin.load(bad);
            } catch (ErrnoException e) {
                assertEquals(Errno.EINVAL, e.errno());
            }
            target.admin.save();
            target.run(NvmeSpec.IDENTIFY, 1, 0);
        }
    }

    @Test
    void givesTheSameAgain() {
        target.admin.load(used());
        byte[] state = target.admin.save();
        try (AdminFixture third = new AdminFixture()) {
            third.admin.load(state);
            assertArrayEquals(state, third.admin.save());
        }
    }

    @Test
    void goesOnWhereTheOtherWas() {
        target.controller.tally.reads = 3;
        target.admin.load(used());
        target.controller.tally.reads = 5;
        target.run(GET_FEATURES, 0, 0x07);
        assertEquals(0x0001_0001, target.result());
        assertTrue(target.controller.calls.contains("not coalescing 3"));
        assertTrue(target.admin.namespaces().active(2).isWriteProtected());
        assertEquals(12, target.admin.namespaces().allocated(1).lbaShift());
        target.run(NvmeSpec.GET_LOG_PAGE, 0, LogPagesTest.page(2, 512) | (1 << 15));
        assertEquals(52, target.i64(64));
        assertEquals(1, target.i64(128));
        target.run(NvmeSpec.GET_LOG_PAGE, 0, LogPagesTest.page(1, 64));
        assertEquals(77, target.i64(16));
        target.pass(1);
        target.run(GET_FEATURES, 0, 0x0e);
        assertEquals(1000 + 3_600_000 + 1000, target.i64(0) & 0xffff_ffff_ffffL);
        assertEquals(3, target.u8(6));
    }

    @Test
    void holdsTheSameRequests() {
        target.admin.load(used());
        int held = source.lastCid();
        target.admin.asynchronousEvent(AsyncEvents.TYPE_ERROR, 0, 1);
        assertEquals(held, target.controller.completed.getFirst().cid());
        // The notice and the warning were reported by the other, and are not read yet.
        target.admin.setStorage(2, target.second);
        assertEquals(1, target.controller.completed.size());
    }

    @Test
    void goesOnWithAFormat() {
        AdminFixture nvme = source;
        NullBackend large = new NullBackend(4 * FormatCommand.PIECE_BYTES);
        nvme.admin.setStorage(1, large);
        target.admin.setStorage(1, large);
        nvme.runRaw(NvmeSpec.FORMAT_NVM, 1, 1);
        nvme.controller.runOne();
        target.admin.load(nvme.admin.save());
        assertEquals(
                NvmeStatus.FORMAT_IN_PROGRESS,
                target.admin.namespaces().active(1).notReady());
        for (int i = 0; i < 3; i++) {
            assertTrue(target.controller.completed.isEmpty());
            assertTrue(target.controller.runOne());
        }
        assertEquals(nvme.lastCid(), target.controller.completed.getFirst().cid());
        assertEquals(12, target.admin.namespaces().active(1).lbaShift());
    }
}
