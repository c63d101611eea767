package org.vfio4j.cli.text;

import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** A command that failed: one line that says what, one that says what to try, and the exit code. */
public final class CliException extends RuntimeException {

    private static final long serialVersionUID = 1L;

    private final int exitCode;
    private final int errno;
    private final String hint;

    public CliException(int exitCode, String what, String hint) {
        this(exitCode, Errno.EINVAL, what, hint);
    }

    private CliException(int exitCode, int errno, String what, String hint) {
        super(what);
        this.exitCode = exitCode;
        this.errno = errno;
        this.hint = hint;
    }

    /** A failed call, with advice that fits it. */
    public CliException(ErrnoException cause, String hint) {
        this(ExitCode.of(cause.errno()), cause.errno(), String.valueOf(cause.getMessage()), hint);
    }

    /** Words that make no sense. */
    public static CliException usage(String what, String hint) {
        return new CliException(ExitCode.USAGE, what, hint);
    }

    public int exitCode() {
        return exitCode;
    }

    /** Of the call that failed; EINVAL for words that make no sense. */
    public int errno() {
        return errno;
    }

    public String hint() {
        return hint;
    }
}
