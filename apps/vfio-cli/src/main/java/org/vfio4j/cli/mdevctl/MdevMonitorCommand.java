package org.vfio4j.cli.mdevctl;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import org.vfio4j.cli.control.MdevRequest;
import org.vfio4j.cli.mdev.MdevEvent;
import org.vfio4j.cli.process.StopSignal;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerOption;
import org.vfio4j.cli.state.ServerState;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.cli.text.OutputOption;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.json.JsonMapper;

/** Prints what happens to mdevs, until it is told to stop. */
@Command(
        name = "monitor",
        description = "Prints what mdevs and parents there are and then what happens to them, as udevadm monitor does;"
                + " until SIGTERM or Ctrl-C.",
        mixinStandardHelpOptions = true)
final class MdevMonitorCommand implements Callable<Integer> {

    private static final long LOOK_MS = 500;
    private static final JsonMapper JSON = JsonMapper.builder().build();

    // Processes that one thread each listens to.
    private final Set<Long> known = ConcurrentHashMap.newKeySet();

    @Mixin
    private ServerOption server = new ServerOption();

    @Mixin
    private OutputOption output = new OutputOption();

    @Override
    public Integer call() throws InterruptedException {
        StopSignal stop = StopSignal.install();
        do {
            for (ServerState state : ServerDirectory.servers()) {
                if (server.isMeant(state.pid()) && known.add(state.pid())) {
                    Thread.ofPlatform().daemon().name("vfio-mdev-monitor").start(() -> listen(state.pid()));
                }
            }
        } while (!stop.await(LOOK_MS));
        return ExitCode.OK;
    }

    private void listen(long pid) {
        try (SocketChannel socket = SocketChannel.open(UnixDomainSocketAddress.of(ServerDirectory.control(pid)))) {
            String request = MdevRequest.MONITOR_LINE + "\n";
            socket.write(ByteBuffer.wrap(request.getBytes(StandardCharsets.UTF_8)));
            BufferedReader lines = new BufferedReader(Channels.newReader(socket, StandardCharsets.UTF_8));
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                print(line);
            }
        } catch (IOException | JacksonException e) {
            System.getLogger(MdevMonitorCommand.class.getName())
                    .log(System.Logger.Level.DEBUG, "process {0}: {1}", pid, e.toString());
        } finally {
            known.remove(pid);
        }
    }

    private void print(String line) {
        synchronized (known) {
            output.out()
                    .println(
                            output.isJson()
                                    ? line
                                    : MdevEvent.parse(JSON.readTree(line)
                                                    .path("items")
                                                    .path(0))
                                            .text());
            output.out().flush();
        }
    }
}
