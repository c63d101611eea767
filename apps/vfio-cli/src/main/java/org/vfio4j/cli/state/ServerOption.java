package org.vfio4j.cli.state;

import picocli.CommandLine.Option;

/** Which serving process a command means, when several could be. */
public final class ServerOption {

    @Option(
            names = {"--server", "--pid"},
            paramLabel = "PID",
            description = "Of this process, when several have such a parent or mdev.")
    private long pid;

    public boolean isMeant(long other) {
        return pid == 0 || pid == other;
    }
}
