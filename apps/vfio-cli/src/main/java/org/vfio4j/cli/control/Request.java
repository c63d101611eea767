package org.vfio4j.cli.control;

import static org.vfio4j.sys.Errno.EINVAL;

import java.time.Duration;
import org.vfio4j.sys.ErrnoException;

/** What a serving process is asked, as one line of JSON: a record, whose components are the fields by the same names. */
public interface Request {

    long MAX_TIMEOUT_MS = 3_600_000;

    /** One of its form's. */
    String kind();

    /** How long the answer may take because the process waits for somebody. */
    default Duration timeout() {
        return Duration.ZERO;
    }

    /** As it is sent. */
    String line();

    /** @throws ErrnoException EINVAL when nobody waits that long */
    static void checkTimeout(long timeoutMs) {
        if (timeoutMs < 0 || timeoutMs > MAX_TIMEOUT_MS) {
            throw new ErrnoException(EINVAL, "timeoutMs " + timeoutMs + ": the limits are 0 and " + MAX_TIMEOUT_MS);
        }
    }
}
