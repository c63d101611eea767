package org.vfio4j.cli.keep;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.BooleanSupplier;
import org.vfio4j.cli.CliProcess;
import org.vfio4j.cli.Main;
import org.vfio4j.cli.TestJvm;
import org.vfio4j.cli.load.VerifiedLoad;
import org.vfio4j.cli.serve.ServeCommand;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** A keeper in this process, with servers in processes of their own. */
public final class KeeperRun implements AutoCloseable {

    /** Waits for longer than a server takes to start on a machine that has other things to do. */
    static final long PATIENCE_NS = 60_000_000_000L;

    public static final VfioUserClientOptions PATIENT = VfioUserClientOptions.DEFAULTS.withTimeoutNs(PATIENCE_NS);

    // All wait for long, which a common pool of a small machine cannot bear.
    private static final Executor OWN_THREAD =
            task -> Thread.ofPlatform().daemon().start(task);

    private final Path directory;
    private final Keeper keeper;
    private final CompletableFuture<Integer> ended;
    private final StringWriter err = new StringWriter();
    private boolean closed;

    /**
     * @param directory for what servers print, and where processes find each other
     * @param words behind {@code vfio serve}
     */
    KeeperRun(Path directory, RestartLimit limit, List<String> words) {
        this.directory = directory;
        List<String> program = new ArrayList<>(List.of(
                "/bin/sh",
                "-c",
                "exec env XDG_RUNTIME_DIR=" + directory + " \"$@\" >> " + directory.resolve("log") + " 2>&1",
                "sh"));
        program.addAll(TestJvm.command(Main.class));
        program.add(ServeCommand.NAME);
        program.addAll(words);
        keeper = new Keeper(program, limit, new PrintWriter(err, true));
        ended = CompletableFuture.supplyAsync(
                () -> {
                    try {
                        return keeper.run();
                    } catch (InterruptedException e) {
                        throw new AssertionError(e);
                    }
                },
                OWN_THREAD);
    }

    /** One that may have its servers killed as often as a test likes, once the first has told what it serves. */
    static KeeperRun serving(Path directory, List<String> words) {
        KeeperRun run = new KeeperRun(directory, new RestartLimit(3, Duration.ofMillis(1)), words);
        run.await("a server, or the end", () -> run.isServing() || run.hasEnded());
        return run;
    }

    /** Whether the first server has said where it listens. */
    boolean isServing() {
        return Files.exists(directory.resolve("log")) && log().contains("lspci:");
    }

    ProcessHandle server() {
        return ProcessHandle.of(keeper.serverPid()).orElseThrow();
    }

    void kill() {
        server().destroyForcibly();
    }

    /** Kills the server, and waits for the next one. */
    void killAndAwait() {
        int before = serverCount();
        kill();
        await("another server", () -> serverCount() > before);
    }

    /** How many servers have taken another one's place. */
    int serverCount() {
        return err.toString().split("serves where the other did", -1).length - 1;
    }

    /** Has the server end so many times, with a load under way. */
    void replace(VerifiedLoad load, int times, Runnable end) {
        CompletableFuture<Void> running = CompletableFuture.runAsync(load, OWN_THREAD);
        int before = serverCount();
        try {
            for (int i = 1; i <= times; i++) {
                long done = load.completed.get();
                int wanted = 500 * (i % 4);
                await("progress", () -> load.completed.get() > done + wanted || running.isDone());
                assertThat(running).as("the load").isNotDone();
                end.run();
                int count = before + i;
                await("another server", () -> serverCount() == count || running.isDone());
            }
        } finally {
            // Whatever happens: it uses memory that goes with its driver.
            load.stop = true;
            running.join();
        }
    }

    /** Another command of the program, at its end. */
    CliProcess command(String... words) {
        CliProcess process = begin(words);
        process.exitCode();
        return process;
    }

    /** Has the keeper start another server in the place of the one that serves, as planned, and waits until it serves. */
    void upgrade() {
        long before = server().pid();
        CliProcess done = command("upgrade", Long.toString(before));
        assertThat(done.exitCode()).as("%s", done).isZero();
        assertThat(server().pid()).isNotEqualTo(before);
    }

    /** The server that gets ready to take another one's place; waits for it. */
    ProcessHandle awaitNext(long now) {
        await("another server that gets ready", () -> next(now).isPresent());
        return next(now).orElseThrow();
    }

    private static Optional<ProcessHandle> next(long now) {
        return ProcessHandle.current()
                .children()
                .filter(child -> child.pid() != now)
                .filter(KeeperRun::isServer)
                .findFirst();
    }

    private static boolean isServer(ProcessHandle process) {
        try {
            return Files.readString(Path.of("/proc/" + process.pid() + "/cmdline"))
                    .contains(Main.class.getName() + "\0" + ServeCommand.NAME);
        } catch (IOException e) {
            // It has ended.
            return false;
        }
    }

    /** Another command, which is not waited for. */
    CliProcess begin(String... words) {
        return new CliProcess(directory, words);
    }

    boolean hasEnded() {
        return ended.isDone();
    }

    /** The exit code, at the end. */
    int exitCode() {
        return ended.join();
    }

    /** What the keeper has told. */
    String err() {
        return err.toString();
    }

    /** What servers have printed. */
    String log() {
        try {
            return Files.readString(directory.resolve("log"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void await(String what, BooleanSupplier holds) {
        long deadline = System.nanoTime() + PATIENCE_NS;
        while (!holds.getAsBoolean()) {
            assertThat(System.nanoTime()).as("%s; %s", what, err).isLessThan(deadline);
            CliProcess.pause();
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            keeper.stop();
            ended.join();
            keeper.close();
        }
    }
}
