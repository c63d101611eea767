package org.vfio4j.mlx5vfiopci;

import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY;
import static org.vfio4j.vfio.VfioMigrationState.RESUMING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING;
import static org.vfio4j.vfio.VfioMigrationState.STOP_COPY;

import org.vfio4j.vfio.VfioDeviceFile;

/** Moves a guest's device from one machine to another while the guest uses it. */
final class Moves {

    private Moves() {}

    /** @param precopies whether the state goes in pieces while the device runs, or at once */
    static void move(MovingFile moving, VfioDeviceFile target, boolean precopies, Guest guest) {
        VfioDeviceFile source = moving.seen();
        Vmm.go(target, RESUMING);
        if (precopies) {
            Vmm.go(source, PRE_COPY);
            for (int i = 0; i < 3; i++) {
                transfer(source, target);
                guest.awaitMore(20);
                Vmm.precopyInfo(source);
            }
            transfer(source, target);
        }
        moving.locked(() -> {
            Vmm.go(source, STOP_COPY);
            transfer(source, target);
            moving.moveTo(target);
            Vmm.go(target, RUNNING);
        });
    }

    private static void transfer(VfioDeviceFile source, VfioDeviceFile target) {
        byte[] state = Vmm.readAll(source);
        if (state.length > 0) {
            Vmm.writeAll(target, state);
        }
    }
}
