package org.vfio4j.cli.process;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ThreadStat;
import org.vfio4j.sys.TimeSlice;

/** The thread that all others stand still for. */
class VmThreadTest {

    /** By Linux before 6.12. */
    private static final long NOT_TOLD = 0;

    @Test
    void asksForTheShortestTurnsAndKeepsThem() throws Exception {
        VmThread.goFirst();
        ThreadStat first = vmThread();
        assertThat(TimeSlice.get(first.tid())).isIn(TimeSlice.SHORTEST_NS, NOT_TOLD);
        try (Precedence precedence = Precedence.prepare().take()) {
            assertThat(vmThread().nice()).isEqualTo(first.nice());
        }
        assertThat(vmThread().nice()).isEqualTo(first.nice());
        assertThat(TimeSlice.get(first.tid())).isIn(TimeSlice.SHORTEST_NS, NOT_TOLD);
    }

    private static ThreadStat vmThread() throws IOException {
        return ThreadStat.all().stream().filter(VmThread::is).findFirst().orElseThrow();
    }
}
