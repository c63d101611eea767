package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import org.assertj.core.api.AbstractStringAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** Calls that must fail with an errno. */
final class Failures {

    private Failures() {}

    /** The message of the failure. */
    static AbstractStringAssert<?> assertFails(int errno, ThrowingCallable call) {
        ErrnoException failure = catchThrowableOfType(ErrnoException.class, call);
        assertThat(failure).as("a failure with %s", Errno.name(errno)).isNotNull();
        assertThat(failure.errno()).as(failure.getMessage()).isEqualTo(errno);
        return assertThat(failure.getMessage());
    }
}
