package org.vfio4j.vfiopcis390;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_PROBE;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_ZPCI_ERROR;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopci.testing.ServedFunction;

/** Feature ZPCI_ERROR: error events, one for each question, and ENOMSG when there are no more. */
class ZpciErrorTest {

    private static final int GET = VFIO_DEVICE_FEATURE_ZPCI_ERROR | VFIO_DEVICE_FEATURE_GET;

    private final EmulatedZpci zpci = new EmulatedZpci(Optional.empty());
    private final byte[] answer = new byte[EmulatedZpci.CCDF_BYTES];

    @Test
    void aFunctionWithoutZpciDataDoesNotHaveIt() {
        try (ServedFunction plain = served(EmulatedZpci.plainFunction())) {
            assertErrno(Errno.ENOTTY, () -> get(plain));
        }
    }

    @Test
    void cannotBeSetNorAskedWithTooLittleRoom() {
        zpci.errors.add(event(1));
        try (ServedFunction served = served(zpci.pciFunction())) {
            int set = VFIO_DEVICE_FEATURE_ZPCI_ERROR | VFIO_DEVICE_FEATURE_SET;
            assertErrno(Errno.EINVAL, () -> served.file().feature(set, MemorySegment.ofArray(answer)));
            assertErrno(Errno.EINVAL, () -> served.file().feature(GET, MemorySegment.ofArray(new byte[31])));
            assertThat(zpci.errors).hasSize(1);
        }
    }

    @Test
    void probingTakesNothing() {
        zpci.errors.add(event(1));
        try (ServedFunction served = served(zpci.pciFunction())) {
            served.file().feature(GET | VFIO_DEVICE_FEATURE_PROBE, MemorySegment.NULL);
            assertThat(zpci.errors).hasSize(1);
        }
    }

    @Test
    void anEventOfAnotherLengthIsThePlatformsFault() {
        zpci.errors.add(new byte[31]);
        try (ServedFunction served = served(zpci.pciFunction())) {
            assertErrno(Errno.EIO, () -> get(served));
        }
    }

    @Test
    void givesEventsInTheirOrderUntilThereAreNone() {
        zpci.errors.add(event(1));
        zpci.errors.add(event(2));
        try (ServedFunction served = served(zpci.pciFunction())) {
            assertThat(get(served)).isEqualTo(event(1));
            assertThat(get(served)).isEqualTo(event(2));
            assertErrno(Errno.ENOMSG, () -> get(served));
            zpci.errors.add(event(3));
            assertThat(get(served)).isEqualTo(event(3));
        }
    }

    private byte[] get(ServedFunction served) {
        assertThat(served.file().feature(GET, MemorySegment.ofArray(answer))).isEqualTo(EmulatedZpci.CCDF_BYTES);
        return answer.clone();
    }

    private static byte[] event(int code) {
        byte[] event = new byte[EmulatedZpci.CCDF_BYTES];
        Arrays.fill(event, (byte) (code * 16));
        event[EmulatedZpci.CCDF_BYTES - 1] = (byte) code;
        return event;
    }

    private static void assertErrno(int errno, ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }

    private static ServedFunction served(PciFunction function) {
        return ServedFunction.of(ServedFunction.bus().add(PciAddress.parse("00:00.0"), function));
    }
}
