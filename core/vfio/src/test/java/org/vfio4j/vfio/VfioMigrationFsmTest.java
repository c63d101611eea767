package org.vfio4j.vfio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_P2P;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_PRE_COPY;
import static org.vfio4j.uapi.Vfio.VFIO_MIGRATION_STOP_COPY;
import static org.vfio4j.vfio.VfioMigrationState.*;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.sys.ErrnoException;

/**
 * The ways between migration states (E13), all pairs for all flags, against linux/vfio.h's rules for finding them: along the arcs
 * that it describes, the shortest path without a saving state inside, save when both ends are saving states.
 */
class VfioMigrationFsmTest {

    private static final Set<VfioMigrationState> SAVING = EnumSet.of(STOP_COPY, PRE_COPY, PRE_COPY_P2P);

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 5, 7})
    void everyWayIsTheShortestThatTheRulesAllow(int flags) {
        Map<VfioMigrationState, Set<VfioMigrationState>> arcs = arcs(flags);
        for (VfioMigrationState from : arcs.keySet()) {
            for (VfioMigrationState to : values()) {
                List<List<VfioMigrationState>> shortest = new ArrayList<>();
                if (arcs.containsKey(to) && !isBlocked(from, to)) {
                    for (int arcCount = 0; shortest.isEmpty(); arcCount++) {
                        extend(List.of(from), to, arcCount, arcs, shortest);
                    }
                    assertThat(shortest).describedAs(from + " to " + to).hasSize(1);
                    assertThat(way(from, to, flags)).isEqualTo(shortest.getFirst());
                } else {
                    assertRefused(from, to, flags);
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 5, 7})
    void nothingLeadsOutOfErrorOrIntoIt(int flags) {
        for (VfioMigrationState state : values()) {
            assertRefused(ERROR, state, flags);
            assertRefused(state, ERROR, flags);
        }
    }

    @Test
    void aStreamThatIsInStopCopyDoesNotGoBack() {
        assertRefused(STOP_COPY, PRE_COPY, 7);
        assertRefused(STOP_COPY, PRE_COPY_P2P, 7);
    }

    @Test
    void theLongestWayIsThatOfAMigrationWithoutPreCopy() {
        assertThat(way(RESUMING, PRE_COPY_P2P, 7)).containsExactly(RESUMING, STOP, RUNNING_P2P, PRE_COPY_P2P);
        assertThat(way(RUNNING, STOP_COPY, 7)).containsExactly(RUNNING, RUNNING_P2P, STOP, STOP_COPY);
        assertThat(way(RUNNING, STOP_COPY, 1)).containsExactly(RUNNING, STOP, STOP_COPY);
        assertThat(way(PRE_COPY, STOP_COPY, 5)).containsExactly(PRE_COPY, STOP_COPY);
        assertThat(way(PRE_COPY, STOP_COPY, 7)).containsExactly(PRE_COPY, PRE_COPY_P2P, STOP_COPY);
    }

    @Test
    void statesBeyondTheLastAreNone() {
        for (int number : new int[] {8, 9, 0xabcd, -1, Integer.MIN_VALUE}) {
            assertErrno(() -> VfioMigrationState.of(number));
        }
    }

    private static boolean isBlocked(VfioMigrationState from, VfioMigrationState to) {
        return to == ERROR || (from == STOP_COPY && (to == PRE_COPY || to == PRE_COPY_P2P));
    }

    /** The arcs that linux/vfio.h lists, and for a device without P2P those that its drivers see instead. */
    private static Map<VfioMigrationState, Set<VfioMigrationState>> arcs(int flags) {
        boolean p2p = (flags & VFIO_MIGRATION_P2P) != 0;
        boolean preCopy = (flags & VFIO_MIGRATION_PRE_COPY) != 0;
        assertThat(flags & VFIO_MIGRATION_STOP_COPY).isNotZero();
        Map<VfioMigrationState, Set<VfioMigrationState>> arcs = new EnumMap<>(VfioMigrationState.class);
        both(arcs, STOP, STOP_COPY);
        both(arcs, STOP, RESUMING);
        if (p2p) {
            both(arcs, RUNNING, RUNNING_P2P);
            both(arcs, RUNNING_P2P, STOP);
        } else {
            both(arcs, RUNNING, STOP);
        }
        if (preCopy) {
            both(arcs, RUNNING, PRE_COPY);
        }
        if (preCopy && p2p) {
            both(arcs, PRE_COPY, PRE_COPY_P2P);
            both(arcs, RUNNING_P2P, PRE_COPY_P2P);
            arcs.get(PRE_COPY_P2P).add(STOP_COPY);
        } else if (preCopy) {
            arcs.get(PRE_COPY).add(STOP_COPY);
        }
        return arcs;
    }

    private static void both(
            Map<VfioMigrationState, Set<VfioMigrationState>> arcs, VfioMigrationState a, VfioMigrationState b) {
        arcs.computeIfAbsent(a, none -> EnumSet.noneOf(VfioMigrationState.class))
                .add(b);
        arcs.computeIfAbsent(b, none -> EnumSet.noneOf(VfioMigrationState.class))
                .add(a);
    }

    private static void extend(
            List<VfioMigrationState> path,
            VfioMigrationState to,
            int arcsLeft,
            Map<VfioMigrationState, Set<VfioMigrationState>> arcs,
            List<List<VfioMigrationState>> found) {
        VfioMigrationState last = path.getLast();
        if (arcsLeft == 0) {
            if (last == to) {
                found.add(path);
            }
            return;
        }
        boolean savingInside = SAVING.contains(path.getFirst()) && SAVING.contains(to);
        if (path.size() > 1 && SAVING.contains(last) && !savingInside) {
            return;
        }
        for (VfioMigrationState next : arcs.get(last)) {
            List<VfioMigrationState> longer = new ArrayList<>(path);
            longer.add(next);
            extend(longer, to, arcsLeft - 1, arcs, found);
        }
    }

    private static List<VfioMigrationState> way(VfioMigrationState from, VfioMigrationState to, int flags) {
        List<VfioMigrationState> way = new ArrayList<>(List.of(from));
        while (way.getLast() != to) {
            way.add(VfioMigrationFsm.next(way.getLast(), to, flags));
            assertThat(way).hasSizeLessThan(8);
        }
        assertThat(VfioMigrationFsm.next(to, to, flags)).isEqualTo(to);
        return way;
    }

    private static void assertRefused(VfioMigrationState from, VfioMigrationState to, int flags) {
        assertErrno(() -> VfioMigrationFsm.next(from, to, flags));
    }

    private static void assertErrno(org.assertj.core.api.ThrowableAssert.ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EINVAL));
    }
}
