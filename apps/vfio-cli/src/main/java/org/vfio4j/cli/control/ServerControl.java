package org.vfio4j.cli.control;

import static org.vfio4j.sys.Errno.EAGAIN;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENODEV;

import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import org.vfio4j.bus.AuxiliaryBus;
import org.vfio4j.bus.AuxiliaryDevice;
import org.vfio4j.bus.AuxiliaryDriver;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.cli.machine.MachineState;
import org.vfio4j.cli.state.FunctionStatistics;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.state.ServerStatistics;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.Output;
import org.vfio4j.sys.CpuClock;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import tools.jackson.core.JacksonException;

/**
 * What other processes of the user can see of a serving process and ask of it: its state in a file, always the newest, and what is in
 * its table of requests. Any thread may call it.
 */
public final class ServerControl implements AutoCloseable {

    private static final System.Logger LOG = System.getLogger(ServerControl.class.getName());

    private final Machine machine;
    private final ServerDirectory directory;
    private final Path sysfs;
    private final MdevControl mdevs;
    private final ControlSocket socket;
    private final RequestTable requests = new RequestTable()
            .on(ControlRequest.FORM, this::control)
            .on(TuneRequest.FORM, this::tune)
            .on(SriovRequest.FORM, this::setNumVfs)
            .on(SnapRequest.FORM, this::snap)
            .on(MdevRequest.FORM, this::mdev);

    // What others are told of mdevs, by uuid: under this object's lock.
    private final Map<String, ServerState.Mdev> published = new HashMap<>();
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
                line -> conversation(line, conversations),
                failure(EAGAIN, "the process takes " + ControlSocket.MAX_CONNECTIONS + " requests at a time"));
    }

    /**
     * Begins: makes the view of the bus, publishes the state and listens.
     *
     * @param sysfs where the view goes
     * @param conversations knows the requests that a line does not answer
     * @throws ErrnoException when the directory cannot be written
     */
    public static ServerControl start(
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

    private Optional<ControlSocket.Conversation> conversation(
            String line, Function<String, Optional<ControlSocket.Conversation>> others) {
        if (line.equals(MdevRequest.MONITOR_LINE)) {
            return Optional.of(client -> MdevEvents.tell(machine.mdevs().bus(), client, () -> closing));
        }
        return others.apply(line);
    }

    /** What is served now. */
    public ServerState state() {
        return stateWithoutMdevs().with(machine.mdevs().devices());
    }

    private ServerState stateWithoutMdevs() {
        List<ServerState.Function> functions =
                machine.functions().stream().map(MachineFunction::state).toList();
        ServerState bare = new ServerState(
                ProcessHandle.current().pid(),
                sysfs.toString(),
                List.of(),
                functions,
                MachineState.bridges(machine.bus()),
                MachineState.auxiliary(machine.bus()),
                List.of());
        return bare.with(List.of());
    }

    @Override
    public void close() {
        closing = true;
        socket.close();
    }

    private synchronized void publish() {
        directory.publish(stateWithoutMdevs());
        publishMdevs();
    }

    /** What has changed of them since the last time. */
    private synchronized void publishMdevs() {
        Map<String, ServerState.Mdev> now = new HashMap<>();
        machine.mdevs().devices().forEach(mdev -> now.put(mdev.uuid(), mdev));
        List<String> gone = published.keySet().stream()
                .filter(uuid -> !now.containsKey(uuid))
                .toList();
        gone.forEach(directory::withdrawMdev);
        gone.forEach(published::remove);
        now.forEach((uuid, mdev) -> {
            if (!mdev.equals(published.get(uuid))) {
                directory.publish(mdev);
                published.put(uuid, mdev);
            }
        });
    }

    /** The reply to a request: a line of JSON for a line of JSON. */
    private String answer(String line) {
        try {
            return requests.answer(line);
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

    private String control(ControlRequest request) {
        if (request.kind().equals(ControlRequest.STATISTICS)) {
            return Output.jsonLine(ControlRequest.STATISTICS, List.of(statistics(request)), ServerStatistics::write);
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
            return reply(function.get().state());
        }
        AuxiliaryDevice alone = part.orElseThrow(() -> new ErrnoException(ENODEV, "function " + request.address()));
        perform(request, alone);
        return Output.jsonLine("AuxiliaryDevice", List.of(MachineState.auxiliary(alone)), ServerState.Auxiliary::write);
    }

    private String tune(TuneRequest request) {
        MachineFunction function = function(request.address());
        request.perform(function.tuning());
        return changed(function);
    }

    private String setNumVfs(SriovRequest request) {
        MachineFunction function = function(request.address());
        request.perform(machine, function);
        return changed(function);
    }

    private String snap(SnapRequest request) {
        ServerState.Function function = request.perform(machine);
        publishChange();
        return reply(function);
    }

    private String mdev(MdevRequest request) {
        String reply = mdevs.answer(request);
        if (request.changes()) {
            publishing(this::publishMdevs);
        }
        return reply;
    }

    private MachineFunction function(String address) {
        return machine.functions().stream()
                .filter(found -> found.device().toString().equals(address))
                .findFirst()
                .orElseThrow(() -> new ErrnoException(ENODEV, "function " + address));
    }

    private String changed(MachineFunction function) {
        publishChange();
        return reply(function.state());
    }

    private static String reply(ServerState.Function function) {
        return Output.jsonLine("Function", List.of(function), ServerState.Function::write);
    }

    private ServerStatistics statistics(ControlRequest request) {
        List<FunctionStatistics> functions = new ArrayList<>(machine.functions().stream()
                .filter(function -> request.address().isEmpty()
                        || function.device().toString().equals(request.address()))
                .flatMap(function -> function.statistics(request.queues()).stream())
                .toList());
        functions.addAll(machine.mdevs().statistics(request.address(), request.queues()));
        return new ServerStatistics(ProcessHandle.current().pid(), System.nanoTime(), CpuClock.PROCESS.ns(), functions);
    }

    private void perform(ControlRequest request, MachineFunction function) {
        switch (request.kind()) {
            case ControlRequest.BIND -> {
                function.bind(wantedDriver(request));
                publishChange();
            }
            case ControlRequest.UNBIND -> {
                function.unbind(request.timeout());
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
                machine.mdevs().startAgain();
                publishChange();
            }
            case ControlRequest.UNBIND -> {
                machine.unbind(device, request.timeout());
                publishChange();
            }
            default -> {}
        }
    }

    private static Optional<String> wantedDriver(ControlRequest request) {
        return Optional.of(request.driver()).filter(name -> !name.isEmpty());
    }

    // What was asked for is done: a file that cannot be written is no reason to say that it is not.
    public void publishChange() {
        publishing(this::publish);
    }

    private void publishing(Runnable work) {
        if (closing) {
            return;
        }
        try {
            work.run();
        } catch (ErrnoException e) {
            LOG.log(Level.WARNING, "what vfio ls shows is out of date: {0}", e.getMessage());
        }
    }

    /** How a failure is told. */
    public static String failure(ErrnoException e) {
        return failure(e.errno(), String.valueOf(e.getMessage()));
    }

    /** A reply that says what failed. */
    public static String failure(int errno, String message) {
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
