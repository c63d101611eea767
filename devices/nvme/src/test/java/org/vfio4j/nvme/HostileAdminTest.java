package org.vfio4j.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.RawMemory;

/** No command throws, none moves more than may be moved, whatever its fields are. */
class HostileAdminTest {

    private static final int[] OPCODES = {
        NvmeSpec.GET_LOG_PAGE,
        NvmeSpec.IDENTIFY,
        NvmeSpec.SET_FEATURES,
        NvmeSpec.GET_FEATURES,
        NvmeSpec.ASYNCHRONOUS_EVENT_REQUEST,
        NvmeSpec.NAMESPACE_MANAGEMENT,
        NvmeSpec.NAMESPACE_ATTACHMENT,
        NvmeSpec.FORMAT_NVM
    };

    @Test
    void staysTotal() {
        SplittableRandom random = new SplittableRandom(20);
        try (AdminFixture nvme = new AdminFixture()) {
            for (int i = 0; i < 100_000; i++) {
                RawMemory.putLong(nvme.data(), random.nextLong());
                int opcode = random.nextInt(20) == 0 ? random.nextInt(256) : OPCODES[random.nextInt(OPCODES.length)];
                int status = nvme.runRaw(
                        opcode,
                        number(random),
                        number(random),
                        number(random),
                        number(random),
                        number(random),
                        number(random));
                assertTrue(status == AdminHandler.HELD || (status & ~NvmeStatus.DNR) <= 0x7ff, "status " + status);
                int bytes = nvme.dataBytes();
                assertTrue(bytes <= NvmeLimits.MAX_TRANSFER_BYTES);
                assertEquals(0, bytes > 0 ? bytes % 4 : 0);
                if (random.nextInt(500) == 0) {
                    nvme.admin.controllerReset();
                }
                if (random.nextInt(8) == 0) {
                    nvme.controller.runOne();
                }
                nvme.controller.calls.clear();
                nvme.controller.completed.clear();
            }
        }
    }

    private static int number(SplittableRandom random) {
        return switch (random.nextInt(4)) {
            case 0 -> random.nextInt();
            case 1 -> -random.nextInt(4);
            case 2 -> random.nextInt(0x400);
            default -> random.nextInt(6);
        };
    }
}
