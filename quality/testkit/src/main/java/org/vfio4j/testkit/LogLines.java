package org.vfio4j.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;

/** What is written to a log from now on, until this is closed. */
public final class LogLines implements AutoCloseable {

    private static final long LIMIT_S = 10;

    private final Logger log;
    private final Lines lines = new Lines();

    /** @param writer whose log it is */
    public LogLines(Class<?> writer) {
        log = Logger.getLogger(writer.getName());
        log.addHandler(lines);
    }

    /** The next line, perhaps after a wait. */
    public String next() throws InterruptedException {
        String next = lines.all.poll(LIMIT_S, TimeUnit.SECONDS);
        if (next == null) {
            throw new AssertionError("nothing was logged within " + LIMIT_S + " s");
        }
        return next;
    }

    /** All that has been written and that nobody has asked for yet. */
    public List<String> rest() {
        List<String> rest = new ArrayList<>();
        lines.all.drainTo(rest);
        return rest;
    }

    @Override
    public void close() {
        log.removeHandler(lines);
    }

    private static final class Lines extends Handler {

        private final LinkedBlockingQueue<String> all = new LinkedBlockingQueue<>();
        private final SimpleFormatter formatter = new SimpleFormatter();

        @Override
        public void publish(LogRecord line) {
            all.add(formatter.formatMessage(line));
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
    }
}
