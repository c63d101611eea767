package org.vfio4j.cli.stat;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.Poll;
import org.vfio4j.sys.Tty;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/**
 * The terminal while {@code vfio top} has it: a screen that is drawn over in place, and keys that work without Return. Closing it
 * gives the terminal back as it was, with the last frame on it. Belongs to one thread.
 */
final class TopScreen implements AutoCloseable {

    private static final String ENTER = "\u001b[?25l\u001b[2J";
    private static final String LEAVE = "\r\n\u001b[?25h";
    private static final String HOME = "\u001b[H";
    private static final String REST_OF_LINE = "\u001b[K";
    private static final String REST_OF_SCREEN = "\u001b[J";
    private static final String BOLD = "\u001b[1m";
    private static final String PLAIN = "\u001b[0m";
    private static final int HEADER = 2;
    private static final int STANDARD_INPUT = 0;
    private static final int STANDARD_OUTPUT = 1;
    private static final Tty.Size USUAL = new Tty.Size(24, 80);

    /** What ended a wait. */
    enum Event {
        /** The time is over. */
        TIME,
        /** The window has another size. */
        SIZE,
        /** Queues are wanted, or not any more. */
        QUEUES,
        /** Enough. */
        QUIT
    }

    private final PrintWriter out;
    private final Tty tty;
    private final Fd signalled = EventFd.create();
    private final List<Runnable> handlersBefore = new ArrayList<>();
    private volatile boolean stopped;

    private TopScreen(PrintWriter out) {
        this.out = out;
        tty = new Tty(STANDARD_INPUT);
        for (String name : List.of("INT", "TERM", "HUP")) {
            handle(name, signal -> {
                stopped = true;
                EventFd.signal(signalled.value());
            });
        }
        handle("WINCH", signal -> EventFd.signal(signalled.value()));
        out.print(ENTER);
        out.flush();
    }

    /** Whether there is a terminal to take: input and output are one. */
    static boolean isPossible() {
        return Tty.isTerminal(STANDARD_INPUT) && Tty.isTerminal(STANDARD_OUTPUT);
    }

    static TopScreen open(PrintWriter out) {
        return new TopScreen(out);
    }

    int width() {
        return size().columns();
    }

    /** Draws the whole screen in one go: nothing flickers, because nothing is cleared first. */
    void draw(String title, List<String> table, String foot) {
        Tty.Size size = size();
        out.print(frame(title, table, foot, size.rows(), size.columns()));
        out.flush();
    }

    /** A frame: title, table and foot with a line between them. What has no room is left out from the table's end. */
    static String frame(String title, List<String> table, String foot, int rows, int columns) {
        List<String> lines = new ArrayList<>(List.of(title, ""));
        lines.addAll(table.subList(0, Math.max(0, Math.min(table.size(), rows - 4))));
        lines.addAll(List.of("", foot));
        StringBuilder frame = new StringBuilder(HOME);
        for (int i = 0; i < Math.min(lines.size(), rows); i++) {
            String line = lines.get(i).substring(0, Math.min(lines.get(i).length(), columns));
            frame.append(i == 0 ? "" : "\r\n").append(i == HEADER ? BOLD + line + PLAIN : line);
            frame.append(REST_OF_LINE);
        }
        return frame.append(REST_OF_SCREEN).toString();
    }

    /** Waits for a key that means something, a signal, or the end of {@code ns}. */
    Event await(long ns) {
        long deadline = System.nanoTime() + ns;
        while (true) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                return Event.TIME;
            }
            int ready = Poll.poll(STANDARD_INPUT, Poll.POLLIN, signalled.value(), Poll.POLLIN, left);
            if (stopped || (ready > 0 && (ready & (Poll.POLLHUP | Poll.POLLERR)) != 0)) {
                return Event.QUIT;
            }
            if (ready > 0 && ready >>> Poll.OTHER != 0) {
                EventFd.drain(signalled.value());
                return Event.SIZE;
            }
            if (ready > 0) {
                switch (tty.key()) {
                    case 'q', 'Q' -> {
                        return Event.QUIT;
                    }
                    case 'u', 'U' -> {
                        return Event.QUEUES;
                    }
                    default -> {
                        // Other keys do nothing.
                    }
                }
            }
        }
    }

    @Override
    public void close() {
        out.print(LEAVE);
        out.flush();
        tty.close();
        handlersBefore.forEach(Runnable::run);
        signalled.close();
    }

    private Tty.Size size() {
        return Tty.size(STANDARD_OUTPUT).orElse(USUAL);
    }

    private void handle(String name, SignalHandler handler) {
        Signal signal = new Signal(name);
        SignalHandler before = Signal.handle(signal, handler);
        handlersBefore.add(() -> Signal.handle(signal, before));
    }
}
