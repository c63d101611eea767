package org.vfio4j.cli.change;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.control.ControlClient;
import org.vfio4j.cli.control.SnapRequest;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.Setting;
import org.vfio4j.cli.device.SriovPlan;
import org.vfio4j.cli.state.FunctionChoice;
import org.vfio4j.cli.state.ServerQuery;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.OutputOption;
import org.vfio4j.sys.Errno;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Has a DPU emulate one more function, while its process serves. */
@Command(
        name = "create",
        description = "Has a DPU emulate one more function, behind the network function ID, and serves it.",
        mixinStandardHelpOptions = true,
        footer = {
            "",
            "Examples:",
            "  vfio snap create 0000:07:00.0 virtio-blk memory=64M --socket-path /tmp/disk.sock",
            "  vfio snap create 0000:07:00.1 nvme file=disk.img --address 0000:09:00.1 --socket-path /tmp/nvme.sock",
            "  vfio snap create 0000:07:00.0 nvme file=disk.img \\",
            "                   --virtual-function file=vf0.img,socket-path=/tmp/vf0.sock \\",
            "                   --virtual-function file=vf1.img,socket-path=/tmp/vf1.sock"
        })
final class SnapCreateCommand implements Runnable {

    @Mixin
    private FunctionChoice choice = new FunctionChoice();

    @Parameters(index = "1", paramLabel = "DEVICE", description = "virtio-blk or nvme.")
    private String device = "";

    @Parameters(
            index = "2..*",
            arity = "0..*",
            paramLabel = "KEY=VALUE",
            description = "Its settings, as those of vfio serve.")
    private List<String> words = new ArrayList<>();

    @Option(
            names = "--address",
            paramLabel = "BDF",
            description = "Its place on the bus (default: the first free function beside ID).")
    private String address = "";

    @Option(
            names = "--socket-path",
            paramLabel = "PATH",
            description = "Listen on this socket (default: it is not served).")
    private @Nullable Path socket;

    @Option(
            names = "--driver",
            paramLabel = "NAME",
            description = "Its VFIO driver (default: mlx5-vfio-pci, by its auxiliary device).")
    private String driver = "";

    @Option(
            names = "--virtual-function",
            paramLabel = "KEY=VALUE[,...]",
            description =
                    "A virtual function that it can have: its settings, and socket-path=PATH to listen on while it is on."
                            + " Once for each; vfio sriov turns them on.")
    private List<String> virtuals = List.of();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public void run() {
        List<Setting> settings = new ArrayList<>(Setting.parse(words));
        virtuals.forEach(each -> settings.add(new Setting(SriovPlan.SETTING, each)));
        // What makes no sense is told without asking the process.
        if (SriovPlan.of(new DeviceKinds(), device, settings).snapProtocol().isEmpty()) {
            throw CliException.usage(device + ": a DPU emulates virtio-blk and nvme", "vfio snap create --help");
        }
        checkAddress();
        checkSocket();
        ServerQuery.Found by = choice.one("vfio snap create");
        SnapRequest request = SnapRequest.create(
                by.function().address(),
                device,
                settings.stream()
                        .map(SnapCreateCommand::fromHere)
                        .map(Setting::toString)
                        .toList(),
                address,
                driver,
                socket == null ? "" : socket.toAbsolutePath().toString());
        ServerQuery.Found created = ControlClient.ask(by, request, output.err(), this::hint);
        output.print("Function", List.of(created), () -> {
            ServerState.Function f = created.function();
            String through = f.auxiliary().isEmpty() ? "" : " of " + f.auxiliary();
            output.out()
                    .println(f.address() + " " + f.kind() + ", " + f.description() + ": " + f.driver() + through
                            + ", at " + f.where()
                            + (f.totalVfs() == 0
                                    ? ""
                                    : ", " + f.numVfs() + " of " + f.totalVfs() + " virtual functions on"));
        });
    }

    private void checkAddress() {
        try {
            if (!address.isEmpty()) {
                PciAddress.parse(address);
            }
        } catch (IllegalArgumentException e) {
            throw CliException.usage(String.valueOf(e.getMessage()), "--address 0000:08:00.1");
        }
    }

    private void checkSocket() {
        if (socket == null) {
            return;
        }
        Path own = socket.toAbsolutePath().normalize();
        for (String each : virtuals) {
            for (Setting setting : Setting.parse(List.of(each))) {
                if (setting.key().equals(SriovPlan.SOCKET)
                        && Path.of(setting.value()).toAbsolutePath().normalize().equals(own)) {
                    throw CliException.usage(
                            setting + ": the function itself is served there", "a " + SriovPlan.SOCKET + " for each");
                }
            }
        }
    }

    // The process has another working directory.
    private static Setting fromHere(Setting setting) {
        String value = setting.value();
        return switch (setting.key()) {
            case "file", SriovPlan.SOCKET ->
                new Setting(setting.key(), Path.of(value).toAbsolutePath().toString());
            case SriovPlan.SETTING ->
                new Setting(
                        setting.key(),
                        Setting.join(Setting.parse(List.of(value)).stream()
                                .map(SnapCreateCommand::fromHere)
                                .toList()));
            default -> setting;
        };
    }

    private String hint(int errno) {
        return switch (errno) {
            case Errno.EEXIST -> "another --address, or none";
            case Errno.EOPNOTSUPP, Errno.ENODEV -> "vfio tree, to see which are a bluefield's network functions";
            case Errno.ENOSPC -> "--address, of a place behind another bridge";
            default -> "vfio snap create --help";
        };
    }
}
