package org.vfio4j.cli.guest;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.process.StopSignal;
import org.vfio4j.cli.socket.Sockets;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.Limits;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.cli.text.Sizes;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.dma.DmaMemory;
import org.vfio4j.userspace.vmm.DiskGuest;
import org.vfio4j.userspace.vmm.DiskGuestOptions;
import org.vfio4j.userspace.vmm.GuestDevice;
import org.vfio4j.userspace.vmm.GuestMemory;
import org.vfio4j.userspace.vmm.VirtualMachine;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Runs a guest on a served disk. */
@Command(
        name = "guest",
        description =
                "Runs a guest in user space on a served virtio disk or NVMe controller: a program that writes and reads blocks and its own memory,"
                        + " and checks all of it. It can move to another hypervisor, see vfio migrate. Overwrites the disk.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  vfio guest --socket-path /tmp/disk.sock --seconds 10",
            "  vfio guest --socket-path /tmp/disk.sock --memory 1G --dirty-rate 50M &",
            "  vfio migrate /tmp/disk.sock tcp:192.0.2.2:7000"
        })
public final class GuestCommand implements Callable<Integer> {

    static final long IOVA = 1L << 32;

    private static final int MAX_DEPTH = 128;
    private static final double MAX_SECONDS = 1e9;

    @Option(names = "--socket-path", paramLabel = "PATH", required = true, description = "Where the disk is served.")
    @SuppressWarnings("NullAway.Init") // by picocli
    private Path socketPath;

    @Option(names = "--memory", paramLabel = "SIZE", description = "Of the guest, multiples of 2M (default 64M).")
    private String memory = "64M";

    @Option(
            names = "--queue-depth",
            paramLabel = "N",
            description = "4 KiB requests in flight, at random; 0 for a guest that does nothing (default 16).")
    private int depth = 16;

    @Option(names = "--reads", paramLabel = "PERCENT", description = "How many of them read (default 0).")
    private int readPercent;

    @Option(
            names = "--dirty-rate",
            paramLabel = "SIZE",
            description = "How much of its memory it writes in a second (default 0).")
    private String dirtyRate = "0";

    @Option(names = "--seconds", paramLabel = "N", description = "How long it runs (default until a signal).")
    private double seconds;

    @Mixin
    private OutputOption output = new OutputOption();

    private @Nullable GuestMemory made;

    @Override
    public Integer call() throws InterruptedException {
        DiskGuestOptions options = options();
        long memoryBytes = memoryBytes();
        StopSignal stop = StopSignal.install();
        try (ServerDirectory directory = ServerDirectory.create()) {
            VirtualMachine machine = boot(options, memoryBytes);
            output.err()
                    .println("a guest runs on " + socketPath + ", in process "
                            + ProcessHandle.current().pid());
            new GuestRun(output, stop).run(machine, socketPath, directory, seconds);
            return ExitCode.OK;
        }
    }

    private VirtualMachine boot(DiskGuestOptions options, long memoryBytes) {
        GuestDevice device = device(socketPath);
        try {
            GuestMemory fresh = GuestMemory.create(List.of(new GuestMemory.Range(IOVA, memoryBytes)));
            made = fresh;
            fresh.mapFor(device);
            DiskGuest guest = new DiskGuest(device, fresh, options);
            guest.resume();
            return new VirtualMachine(device, fresh, guest);
        } catch (RuntimeException e) {
            device.close();
            if (made != null) {
                made.close();
            }
            throw e instanceof ErrnoException failure ? new CliException(failure, "--memory 64M") : e;
        }
    }

    /** A connection to a served device, as a hypervisor has it. */
    static GuestDevice device(Path socket) {
        try {
            VfioUserClient client =
                    VfioUserClient.connect(socket, VfioUserClientOptions.DEFAULTS.withPostedWrites(true));
            return new GuestDevice(client, () -> client.serve(0));
        } catch (ErrnoException e) {
            throw new CliException(e, Sockets.connectHint(e.errno(), socket, "virtio-blk"));
        }
    }

    private DiskGuestOptions options() {
        Limits.check("--queue-depth", depth, 0, MAX_DEPTH, "16");
        Limits.check("--reads", readPercent, 0, 100, "50");
        Limits.check("--seconds", seconds, 0, MAX_SECONDS, "10");
        return new DiskGuestOptions(depth, readPercent, Sizes.parse("--dirty-rate", dirtyRate, "--dirty-rate 50M"));
    }

    private long memoryBytes() {
        long bytes = Sizes.parse("--memory", memory, "--memory 64M");
        if (bytes == 0 || bytes % DmaMemory.ALIGNMENT != 0) {
            throw CliException.usage(
                    "--memory " + memory + ": a multiple of " + Sizes.format(DmaMemory.ALIGNMENT) + " is needed",
                    "--memory 64M");
        }
        return bytes;
    }
}
