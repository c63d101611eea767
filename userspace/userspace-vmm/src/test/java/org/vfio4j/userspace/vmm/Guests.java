package org.vfio4j.userspace.vmm;

import static org.assertj.core.api.Assertions.assertThat;

import org.vfio4j.vfio.VfioMigrationState;

/** What tests do with guests. */
final class Guests {

    private Guests() {}

    static void leave(VirtualMachine machine) {
        machine.device().close();
        machine.memory().close();
    }

    static DiskGuest.Counters finish(VirtualMachine machine) {
        long checked = guest(machine).finish();
        DiskGuest.Counters counters = guest(machine).counters();
        if (counters.writes() > 0) {
            assertThat(checked).isPositive();
        }
        leave(machine);
        return counters;
    }

    static void goesOn(VirtualMachine machine) {
        awaitWork(machine, 200);
        assertThat(new MigratingDevice(machine.device()).state()).isEqualTo(VfioMigrationState.RUNNING);
    }

    static void awaitWork(VirtualMachine machine, long more) {
        long target = work(machine) + more;
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (work(machine) < target) {
            assertThat(guest(machine).failure()).isEmpty();
            assertThat(System.nanoTime()).as("the guest works").isLessThan(deadline);
            pause();
        }
    }

    static long work(VirtualMachine machine) {
        DiskGuest.Counters counters = guest(machine).counters();
        return counters.reads() + counters.writes();
    }

    static DiskGuest guest(VirtualMachine machine) {
        return (DiskGuest) machine.guest();
    }

    static void pause() {
        try {
            Thread.sleep(5);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
