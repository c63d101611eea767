package org.vfio4j.fuzz;

import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.regex.Pattern;
import org.vfio4j.sys.ErrnoException;

/**
 * Listens to the product's log, in place of the console: a line about a failure that is not an errno is a defect that somebody
 * caught so that others live.
 */
final class DefectLog extends Handler implements AutoCloseable {

    private static final Pattern FAILURE = Pattern.compile("\\b(?!ErrnoException)[A-Z]\\w*(Exception|Error)\\b");

    private final Logger log = Logger.getLogger("org.vfio4j");
    private final AtomicReference<Optional<LogRecord>> first = new AtomicReference<>(Optional.empty());

    DefectLog() {
        log.setUseParentHandlers(false);
        log.addHandler(this);
    }

    /** Throws when something of the kind was written. */
    void check() {
        first.get().ifPresent(line -> {
            throw new AssertionError("the log has a defect: " + text(line), line.getThrown());
        });
    }

    @Override
    public void publish(LogRecord line) {
        boolean thrown = line.getThrown() != null && !(line.getThrown() instanceof ErrnoException);
        if (thrown || FAILURE.matcher(text(line)).find()) {
            first.compareAndSet(Optional.empty(), Optional.of(line));
        }
    }

    @Override
    public void flush() {}

    @Override
    public void close() {
        log.removeHandler(this);
        log.setUseParentHandlers(true);
    }

    private static String text(LogRecord line) {
        Object[] parameters = line.getParameters();
        return parameters == null
                ? line.getMessage()
                : new java.text.MessageFormat(line.getMessage()).format(parameters);
    }
}
