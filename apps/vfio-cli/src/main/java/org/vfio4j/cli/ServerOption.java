package org.vfio4j.cli;

import picocli.CommandLine.Option;

/** Which serving process a command means, when several could be. */
final class ServerOption {

    @Option(
            names = {"--server", "--pid"},
            paramLabel = "PID",
            description = "Of this process, when several have such a parent or mdev.")
    private long pid;

    boolean isMeant(long other) {
        return pid == 0 || pid == other;
    }
}
