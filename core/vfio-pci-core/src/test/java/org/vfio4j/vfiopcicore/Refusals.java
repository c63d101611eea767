package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** What is refused, and with which errno. */
final class Refusals {

    private Refusals() {}

    static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOf(ErrnoException.class)
                .hasMessageContaining(Errno.name(errno))
                .extracting(e -> ((ErrnoException) e).errno())
                .isEqualTo(errno);
    }
}
