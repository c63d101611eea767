package org.vfio4j.cli.bench;

import java.time.Duration;
import java.util.Optional;

/** Processor time of this process and of the server's. The kernel counts it in hundredths of a second. */
final class CpuTime {

    private final Optional<ProcessHandle> server;

    /**
     * @param serverPid the server's process, 0 when it is unknown; what it uses cannot be told apart when it is this one
     */
    CpuTime(int serverPid) {
        server = serverPid > 0 && serverPid != ProcessHandle.current().pid()
                ? ProcessHandle.of(serverPid)
                : Optional.empty();
    }

    /**
     * What was used up to some moment, or between two.
     *
     * @param clientNs by this process
     * @param serverNs by the server; empty when that is unknown
     */
    record Sample(Optional<Long> clientNs, Optional<Long> serverNs) {
        Sample since(Sample before) {
            return new Sample(difference(clientNs, before.clientNs), difference(serverNs, before.serverNs));
        }

        private static Optional<Long> difference(Optional<Long> now, Optional<Long> before) {
            return now.flatMap(end -> before.map(begin -> end - begin));
        }
    }

    Sample sample() {
        return new Sample(used(ProcessHandle.current()), server.flatMap(CpuTime::used));
    }

    private static Optional<Long> used(ProcessHandle process) {
        return process.info().totalCpuDuration().map(Duration::toNanos);
    }
}
