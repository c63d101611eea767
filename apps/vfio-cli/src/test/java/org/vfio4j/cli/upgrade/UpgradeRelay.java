package org.vfio4j.cli.upgrade;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.vfio4j.cli.control.ControlRequest;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.UnixSocket;

/**
 * Stands between a server and the process that is to take over from it, and passes on what they say until one word, at which something happens
 * to the process. As far as the server can see it is that process.
 */
final class UpgradeRelay implements AutoCloseable {

    private static final long LIMIT_NS = 60_000_000_000L;
    private static final int MAX_BYTES = 64 << 20;
    private static final int MAX_LINE_BYTES = 4096;

    private final Path control;
    private final Fd listening;

    /** What is said, in its order; there is a FUNCTION for each device. */
    enum Word {
        OFFER,
        READY,
        HEAD,
        FUNCTION,
        CLAIMS,
        TAKEN;

        boolean isServers() {
            return this == OFFER || this == HEAD || this == FUNCTION || this == CLAIMS;
        }
    }

    /** What happens at a word: it has come here, and has not been passed on. */
    interface Event {
        void at(Word word);
    }

    /**
     * @param directory where processes look for each other: the one that is to take over is given this process's id
     * @param control of the server
     */
    UpgradeRelay(Path directory, Path control) {
        this.control = control;
        Path own = directory.resolve("vfio4j").resolve(pid());
        try {
            Files.createDirectories(own);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        listening = UnixSocket.listen(own.resolve("control"), 1);
    }

    /** What the process is to be told to take over from. */
    static String pid() {
        return Long.toString(ProcessHandle.current().pid());
    }

    /**
     * Lets one process and the server talk.
     *
     * @param last the word at which something happens; it is passed on then, and both connections end: where it is the process's, once the
     *     server has answered it
     * @param functions how many devices there are
     * @return done when the connections have ended
     */
    CompletableFuture<Void> talk(Word last, int functions, Event event) {
        return talk(last, functions, event, !last.isServers());
    }

    /** The same, where the connections end once the server has said one thing more. */
    CompletableFuture<Void> talkOn(Word last, int functions, Event event) {
        return talk(last, functions, event, true);
    }

    private CompletableFuture<Void> talk(Word last, int functions, Event event, boolean answered) {
        return CompletableFuture.runAsync(
                () -> {
                    try (FdChannel process = accept();
                            FdChannel server = connect()) {
                        talk(process, server, last, functions, event);
                        if (answered) {
                            server.receive(MAX_BYTES, LIMIT_NS).close();
                        }
                    }
                },
                run -> Thread.ofPlatform().daemon().start(run));
    }

    private static void talk(FdChannel process, FdChannel server, Word last, int functions, Event event) {
        for (Word word : Word.values()) {
            for (int i = word == Word.FUNCTION ? functions : 1; i > 0; i--) {
                FdChannel from = word.isServers() ? server : process;
                FdChannel to = word.isServers() ? process : server;
                try (FdChannel.Packet packet = from.receive(MAX_BYTES, LIMIT_NS)) {
                    if (word == last) {
                        event.at(word);
                    }
                    pass(packet, to);
                }
                if (word == last) {
                    return;
                }
            }
        }
    }

    private static void pass(FdChannel.Packet packet, FdChannel to) {
        try {
            to.send(packet.bytes(), packet.fds(), LIMIT_NS);
        } catch (ErrnoException e) {
            // The process is dead: what it was told is lost.
        }
    }

    private FdChannel accept() {
        assertThat(Poll.poll(listening.value(), Poll.POLLIN, LIMIT_NS)).isEqualTo(Poll.POLLIN);
        LineSocket lines = new LineSocket(Fd.own(UnixSocket.accept(listening.value())));
        assertThat(lines.read(MAX_LINE_BYTES, LIMIT_NS, passed -> {})).isEqualTo(ControlRequest.UPGRADE);
        return new FdChannel(lines.detach());
    }

    private FdChannel connect() {
        LineSocket lines = new LineSocket(UnixSocket.connect(control));
        lines.write(ControlRequest.UPGRADE, LIMIT_NS);
        return new FdChannel(lines.detach());
    }

    @Override
    public void close() {
        listening.close();
    }

    /** Words that a process says or hears before the devices are its own. */
    static List<Word> beforeTaken() {
        return List.of(Word.OFFER, Word.READY, Word.HEAD, Word.FUNCTION, Word.CLAIMS);
    }
}
