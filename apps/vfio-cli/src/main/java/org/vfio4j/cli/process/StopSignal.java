package org.vfio4j.cli.process;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import org.vfio4j.cli.text.ExitCode;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/** SIGTERM, SIGINT, and SIGHUP when its terminal goes: they end a serving process in good order, with exit code 0. */
public final class StopSignal {

    private final CountDownLatch stopped = new CountDownLatch(1);

    private StopSignal() {}

    /**
     * For a process that another one ends: the terminal's signals, which go to both, are that one's.
     *
     * @param replace what the first SIGTERM does: whether that will end the process. Otherwise, and at the second, the process ends
     */
    public static StopSignal installKept(BooleanSupplier replace) {
        StopSignal stop = new StopSignal();
        AtomicBoolean asked = new AtomicBoolean();
        Signal.handle(new Signal("TERM"), signal -> {
            if (asked.getAndSet(true) || !replace.getAsBoolean()) {
                stop.stopped.countDown();
            }
        });
        for (String name : List.of("INT", "HUP")) {
            Signal.handle(new Signal(name), SignalHandler.SIG_IGN);
        }
        return stop;
    }

    public static StopSignal install() {
        StopSignal stop = new StopSignal();
        // One that is ignored from the start, as under nohup, stays so.
        for (String name : List.of("TERM", "INT", "HUP")) {
            Signal.handle(new Signal(name), signal -> stop.stopped.countDown());
        }
        return stop;
    }

    /** As if a signal had come. */
    public void stop() {
        stopped.countDown();
    }

    /** Waits for a signal. */
    public int await() throws InterruptedException {
        stopped.await();
        return ExitCode.OK;
    }

    /** Waits for a signal, but not for long. Returns whether it has come. */
    public boolean await(long limitMs) throws InterruptedException {
        return stopped.await(limitMs, TimeUnit.MILLISECONDS);
    }

    /** Waits for a signal or the end of a process, whose exit code it returns; a process that lives on is told to end. */
    public int awaitOr(Process process) throws InterruptedException {
        process.onExit().thenRun(stopped::countDown);
        stopped.await();
        if (process.isAlive()) {
            process.destroy();
            process.waitFor();
            return ExitCode.OK;
        }
        return process.exitValue();
    }
}
