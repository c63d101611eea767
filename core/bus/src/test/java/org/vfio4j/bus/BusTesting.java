package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** What the tests of the bus share. */
final class BusTesting {

    static final PciAddress FIRST = PciAddress.parse("0000:00:01.0");
    static final PciAddress SECOND = PciAddress.parse("0000:00:02.0");
    static final PciDeviceId ITS_ID = PciDeviceId.of(FakeFunction.VENDOR, FakeFunction.DEVICE);

    private BusTesting() {}

    static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno))
                .hasMessageContaining(Errno.name(errno));
    }
}
