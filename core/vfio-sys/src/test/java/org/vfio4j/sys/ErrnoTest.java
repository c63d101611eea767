package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import org.junit.jupiter.api.Test;

class ErrnoTest {

    @Test
    void aFailureSaysWhatAndWhy() {
        assertThat(new ErrnoException(Errno.EINVAL, "ioctl VFIO_DEVICE_SET_IRQS fd=12"))
                .hasMessage("ioctl VFIO_DEVICE_SET_IRQS fd=12: EINVAL (Invalid argument)");
    }

    @Test
    void aNumberWithoutNameIsPrinted() {
        assertThat(Errno.describe(999)).isEqualTo("999 (Unknown error 999)");
    }

    @Test
    void everyConstantHasItsName() throws Exception {
        for (var field : Errno.class.getFields()) {
            if (!field.getName().equals("ENOTSUP")) {
                assertThat(Errno.name(field.getInt(null))).isEqualTo(field.getName());
            }
        }
    }

    @Test
    void onlyNegativeResultsAreFailures() {
        assertThat(ErrnoException.check(0, "read")).isZero();
        assertThat(ErrnoException.check(7, "read")).isEqualTo(7);
        assertThatThrownBy(() -> ErrnoException.check(-Errno.EIO, "read"))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EIO));
    }

    @Test
    void aFailureOfTheJdksFileCallsHasItsNumber() {
        assertThat(Errno.of(new IOException("No space left on device"))).isEqualTo(Errno.ENOSPC);
        assertThat(Errno.of(new FileSystemException("f", null, "Read-only file system")))
                .isEqualTo(Errno.EROFS);
        assertThat(Errno.of(new NoSuchFileException("f"))).isEqualTo(Errno.ENOENT);
        assertThat(Errno.of(new FileAlreadyExistsException("f"))).isEqualTo(Errno.EEXIST);
        assertThat(Errno.of(new AccessDeniedException("f"))).isEqualTo(Errno.EACCES);
        assertThat(Errno.of(new IOException())).isEqualTo(Errno.EIO);
        assertThat(ErrnoException.of(new IOException("File too large"), "write f"))
                .hasMessage("write f: EFBIG (File too large)");
    }
}
