package org.vfio4j.cli;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;
import static org.vfio4j.sys.Errno.EPROTONOSUPPORT;

import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;
import org.vfio4j.bus.AuxiliaryBus;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.AuxiliaryDriver;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.sys.CpuClock;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.core.JacksonException;

/**
 * What other processes of the user can see of a serving process and ask of it: its state in a file, always the newest, and the
 * requests of {@link ControlRequest}, {@link TuneRequest}, {@link MdevRequest}, {@link SnapRequest} and {@link SriovRequest}. Any thread may call it.
 */
final class ServerControl implements AutoCloseable {

    private static final System.Logger LOG = System.getLogger(ServerControl.class.getName());

    private final Machine machine;
    private final ServerDirectory directory;
    private final Path sysfs;
    private final MdevControl mdevs;
    private final ControlSocket socket;
    private volatile boolean closing;

    private ServerControl(
            Machine machine,
            ServerDirectory directory,
            Path sysfs,
            Function<String, Optional<ControlSocket.Conversation>> conversations) {
        this.machine = machine;
        this.directory = directory;
        this.sysfs = sysfs;
        mdevs = new MdevControl(machine.mdevs());
        socket = ControlSocket.listen(
                directory.control(),
                this::answer,
                conversations,
                failure(EAGAIN, "the process takes " + ControlSocket.MAX_CONNECTIONS + " requests at a time"));
    }

    /**
     * Begins: makes the view of the bus, publishes the state and listens.
     *
     * @param sysfs where the view goes
     * @param conversations knows the requests that a line does not answer
     * @throws ErrnoException when the directory cannot be written
     */
    static ServerControl start(
            Machine machine,
            ServerDirectory directory,
            Path sysfs,
            Function<String, Optional<ControlSocket.Conversation>> conversations) {
        machine.showIn(sysfs);
        ServerControl control = new ServerControl(machine, directory, sysfs, conversations);
        try {
            control.publish();
            return control;
        } catch (ErrnoException e) {
            control.close();
            throw e;
        }
    }

    /** What is served now. */
    ServerState state() {
        List<ServerState.Function> functions =
                machine.functions().stream().map(MachineFunction::state).toList();
        List<ServerState.Mdev> made = machine.mdevs().devices();
        List<String> sockets = Stream.concat(
                        functions.stream().map(ServerState.Function::socket),
                        made.stream().map(ServerState.Mdev::socket))
                .filter(path -> !path.isEmpty())
                .toList();
        return new ServerState(
                ProcessHandle.current().pid(),
                sysfs.toString(),
                QemuLine.arguments(sockets),
                functions,
                MachineState.bridges(machine.bus()),
                MachineState.auxiliary(machine.bus()),
                made);
    }

    @Override
    public void close() {
        closing = true;
        socket.close();
    }

    private synchronized void publish() {
        directory.publish(state());
    }

    /** The reply to a request: a line of JSON for a line of JSON. */
    private String answer(String line) {
        try {
            if (MdevRequest.isOne(line)) {
                String reply = mdevs.answer(MdevRequest.parse(line));
                publishChange();
                return reply;
            }
            Optional<TuneRequest> tune = TuneRequest.find(line);
            if (tune.isPresent()) {
                MachineFunction function = function(tune.get().address());
                tune.get().perform(function.tuning());
                return changed(function);
            }
            Optional<SriovRequest> sriov = SriovRequest.find(line);
            if (sriov.isPresent()) {
                MachineFunction function = function(sriov.get().address());
                sriov.get().perform(machine, function);
                return changed(function);
            }
            Optional<SnapRequest> snap = SnapRequest.find(line);
            if (snap.isPresent()) {
                ServerState.Function function = snap.get().perform(machine);
                publishChange();
                return Output.jsonLine("Function", List.of(function), ServerState.Function::write);
            }
            ControlRequest request = ControlRequest.parse(line);
            check(request);
            if (request.kind().equals(ControlRequest.STATISTICS)) {
                return Output.jsonLine(
                        ControlRequest.STATISTICS, List.of(statistics(request)), ServerStatistics::write);
            }
            Optional<AuxiliaryDevice> part = machine.bus().auxiliary().devices().stream()
                    .filter(found -> found.name().equals(request.address()))
                    .findFirst();
            // What is done to a part that is about a function is done to the function, which may be served.
            String address =
                    part.flatMap(MachineState::functionOf).map(PciDevice::name).orElse(request.address());
            Optional<MachineFunction> function = machine.functions().stream()
                    .filter(found -> found.device().name().equals(address))
                    .findFirst();
            if (function.isPresent()) {
                perform(request, function.get());
                return Output.jsonLine("Function", List.of(function.get().state()), ServerState.Function::write);
            }
            AuxiliaryDevice alone = part.orElseThrow(() -> new ErrnoException(ENODEV, "function " + request.address()));
            perform(request, alone);
            return Output.jsonLine(
                    "AuxiliaryDevice", List.of(MachineState.auxiliary(alone)), ServerState.Auxiliary::write);
        } catch (JacksonException e) {
            return failure(EINVAL, "a request that is none: " + e.getOriginalMessage() + ": " + Errno.describe(EINVAL));
        } catch (ErrnoException e) {
            return failure(e);
        } catch (CliException e) {
            return failure(e.errno(), String.valueOf(e.getMessage()), e.hint());
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, "a request failed", e);
            return failure(EIO, e.toString());
        }
    }

    private MachineFunction function(String address) {
        return machine.functions().stream()
                .filter(found -> found.device().toString().equals(address))
                .findFirst()
                .orElseThrow(() -> new ErrnoException(ENODEV, "function " + address));
    }

    private String changed(MachineFunction function) {
        publishChange();
        return Output.jsonLine("Function", List.of(function.state()), ServerState.Function::write);
    }

    private ServerStatistics statistics(ControlRequest request) {
        List<FunctionStatistics> functions = machine.functions().stream()
                .filter(function -> request.address().isEmpty()
                        || function.device().toString().equals(request.address()))
                .flatMap(function -> function.statistics(request.queues()).stream())
                .toList();
        return new ServerStatistics(ProcessHandle.current().pid(), System.nanoTime(), CpuClock.PROCESS.ns(), functions);
    }

    private static void check(ControlRequest request) {
        if (!request.apiVersion().equals(Output.API_VERSION)) {
            throw new ErrnoException(
                    EPROTONOSUPPORT, "apiVersion '" + request.apiVersion() + "': there is " + Output.API_VERSION);
        }
        if (!ControlRequest.KINDS.contains(request.kind())) {
            throw new ErrnoException(
                    EOPNOTSUPP,
                    "request '" + request.kind() + "': there are " + String.join(", ", ControlRequest.KINDS));
        }
    }

    private void perform(ControlRequest request, MachineFunction function) {
        switch (request.kind()) {
            case ControlRequest.BIND -> {
                function.bind(wantedDriver(request));
                publishChange();
            }
            case ControlRequest.UNBIND -> {
                function.unbind(Duration.ofMillis(request.timeoutMs()));
                publishChange();
            }
            default -> {}
        }
    }

    private void perform(ControlRequest request, AuxiliaryDevice device) {
        AuxiliaryBus bus = device.bus();
        switch (request.kind()) {
            case ControlRequest.BIND -> {
                String driver = wantedDriver(request)
                        .or(() -> bus.matching(device).stream()
                                .map(AuxiliaryDriver::name)
                                .findFirst())
                        .orElseThrow(() -> new ErrnoException(
                                ENODEV, "bind " + device + ": no driver matches " + device.modalias()));
                bus.bind(device, driver);
                publishChange();
            }
            case ControlRequest.UNBIND -> {
                bus.unbind(device, Duration.ofMillis(request.timeoutMs()));
                publishChange();
            }
            default -> {}
        }
    }

    private static Optional<String> wantedDriver(ControlRequest request) {
        return Optional.of(request.driver()).filter(name -> !name.isEmpty());
    }

    // What was asked for is done: a file that cannot be written is no reason to say that it is not.
    void publishChange() {
        if (closing) {
            return;
        }
        try {
            publish();
        } catch (ErrnoException e) {
            LOG.log(Level.WARNING, "what vfio ls shows is out of date: {0}", e.getMessage());
        }
    }

    /** How a failure is told. */
    static String failure(ErrnoException e) {
        return failure(e.errno(), String.valueOf(e.getMessage()));
    }

    /** A reply that says what failed. */
    static String failure(int errno, String message) {
        return failure(errno, message, "");
    }

    /** @param hint what to try, empty for what the asking process knows to */
    private static String failure(int errno, String message, String hint) {
        return Output.jsonLine(
                ControlRequest.ERROR,
                List.of(message),
                (text, json) -> json.object()
                        .field("errno", errno)
                        .field("message", text)
                        .field("hint", hint)
                        .end());
    }
}
