package org.vfio4j.vfiouser;

import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_PROBE;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.uapi.VfioUser.VFIO_USER_DEVICE_FEATURE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;
import org.vfio4j.testkit.Leaks;
import org.vfio4j.testkit.Payload;
import org.vfio4j.testkit.RawClient;
import org.vfio4j.testkit.RawMessage;

/** DEVICE_FEATURE: a device with feature 7, a number to get and set, and feature 5, which can be set only. */
class FeatureTest {

    private static final int GET = VFIO_DEVICE_FEATURE_GET;
    private static final int SET = VFIO_DEVICE_FEATURE_SET;
    private static final int PROBE = VFIO_DEVICE_FEATURE_PROBE;

    private final Served served = new Served();

    @AfterEach
    void close() {
        served.close();
    }

    @Test
    void getsAndSets() {
        try (RawClient client = served.client()) {
            RawMessage set = client.call(feature(16, SET | 7, new Payload().u64(0x1234)));
            assertThat(set.size()).isEqualTo(16 + 16);
            assertThat(set.u32(0)).isEqualTo(16);
            assertThat(set.u32(4)).isEqualTo(SET | 7);
            assertThat(set.u64(8)).isEqualTo(0x1234);
            RawMessage get = client.call(feature(4096, GET | 7, new Payload()));
            assertThat(get.size()).isEqualTo(16 + 16);
            assertThat(get.u32(0)).isEqualTo(16);
            assertThat(get.u32(4)).isEqualTo(GET | 7);
            assertThat(get.u64(8)).isEqualTo(0x1234);
        }
    }

    @Test
    void probeRepeatsTheRequestAndChangesNothing() {
        try (RawClient client = served.client()) {
            for (int operations : new int[] {0, GET, SET, GET | SET}) {
                RawMessage reply = client.call(feature(16, PROBE | operations | 7, new Payload().u64(99)));
                assertThat(reply.isError()).isFalse();
                assertThat(reply.u32(4)).isEqualTo(PROBE | operations | 7);
                assertThat(reply.u64(8)).isEqualTo(99);
            }
            assertThat(served.device.number).isZero();
        }
    }

    @Test
    void aGetTakesAQuestionAlongAndItsAnswerMayBeAsLargeAsAMessage() {
        Payload question = new Payload().u64(11).u64(22).u64(33);
        try (RawClient client = served.client()) {
            RawMessage small = client.call(feature(8 + 32, GET | 8, question));
            assertThat(small.payload()).hasSize(8 + 32);
            assertThat(small.u32(0)).isEqualTo(8 + 32);
            assertThat(small.u64(8)).isEqualTo(11);
            assertThat(small.u64(24)).isEqualTo(33);
            assertThat(small.u64(32)).isEqualTo(0x5a5a5a5a5a5a5a5aL);
            RawMessage large = client.call(feature(8 + (1 << 20), GET | 8, question));
            assertThat(large.payload()).hasSize(8 + (1 << 20)).endsWith(0x5a);
            RawMessage nothing = client.call(feature(8 + 24, GET | 8, new Payload()));
            assertThat(nothing.u64(8)).as("not what a message before has left").isZero();
            assertThat(nothing.u64(24)).isZero();
        }
        assertThat(served.errnoOf(feature(8 + 23, GET | 8, question))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(feature(9 + (1 << 20), GET | 8, question))).isEqualTo(EINVAL);
    }

    @Test
    void theReplyToASetSaysWhatWasMadeOfIt() {
        try (RawClient client = served.client()) {
            RawMessage set = client.call(feature(16, SET | 7, new Payload().u64(Long.MAX_VALUE)));
            assertThat(set.u64(8)).isEqualTo(Long.MAX_VALUE - 1);
        }
        MemorySegment data = Arena.ofAuto().allocate(8, 8);
        data.set(JAVA_LONG, 0, Long.MAX_VALUE);
        try (VfioUserClient driver = served.driver()) {
            driver.feature(SET | 7, data);
            assertThat(data.get(JAVA_LONG, 0)).isEqualTo(Long.MAX_VALUE - 1);
            driver.feature(SET | 7, data.asReadOnly());
        }
    }

    @Test
    void aDescriptorGoesWithASetAndWithNothingElse() {
        MemorySegment data = Arena.ofAuto().allocate(8, 8);
        try (VfioUserClient driver = served.driver();
                Fd fd = EventFd.create()) {
            Leaks before = Leaks.snapshot();
            driver.feature(SET | 7, data, fd.dup());
            EventFd.signal(fd.value());
            assertThat(EventFd.drain(served.device.eventFds.getFirst().value())).isEqualTo(1);
            served.device.eventFds.removeFirst().close();
            for (int flags : new int[] {PROBE | SET | 7, SET | 4}) {
                Fd sent = fd.dup();
                assertThatThrownBy(() -> driver.feature(flags, data, sent)).isInstanceOf(ErrnoException.class);
                assertThat(sent.isOpen()).isFalse();
            }
            before.assertNone();
        }
    }

    @Test
    void theClientSendsTheQuestionOfADirtyReport() {
        MemorySegment data = Arena.ofAuto().allocate(4096, 8);
        data.set(JAVA_LONG, 16, 4096);
        try (VfioUserClient driver = served.driver()) {
            assertThat(driver.feature(GET | 8, data)).isEqualTo(4096);
            assertThat(data.get(JAVA_LONG, 16)).isEqualTo(4096);
            assertThat(data.get(JAVA_LONG, 24)).isEqualTo(0x5a5a5a5a5a5a5a5aL);
        }
    }

    @Test
    void refusesWhatTheDeviceDoesNotHave() {
        Payload none = new Payload();
        assertThat(served.errnoOf(feature(16, GET | 1, none))).isEqualTo(ENOTTY);
        assertThat(served.errnoOf(feature(8, PROBE | 0xffff, none))).isEqualTo(ENOTTY);
        assertThat(served.errnoOf(feature(16, GET | 5, none))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(feature(16, PROBE | GET | 5, none))).isEqualTo(EINVAL);
    }

    @Test
    void refusesFlagsThatMakeNoSense() {
        Payload value = new Payload().u64(1);
        assertThat(served.errnoOf(feature(16, 7, value))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(feature(16, GET | SET | 7, value))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(feature(16, 1 << 19 | SET | 7, value))).isEqualTo(EINVAL);
        assertThat(served.device.number).isZero();
    }

    @Test
    void refusesDataAndRoomThatAreShortOrTooLarge() {
        assertThat(served.errnoOf(feature(16, SET | 7, new Payload().u32(1)))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(feature(12, SET | 7, new Payload().u64(1)))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(feature(15, GET | 7, new Payload()))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(feature(7, GET | 7, new Payload()))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(feature(-1, GET | 7, new Payload()))).isEqualTo(EINVAL);
        assertThat(served.errnoOf(RawMessage.command(VFIO_USER_DEVICE_FEATURE))).isEqualTo(EINVAL);
    }

    @Test
    void theClientGetsSetsAndHearsErrnos() {
        MemorySegment data = Arena.ofAuto().allocate(64, 8);
        try (VfioUserClient driver = served.driver()) {
            data.set(JAVA_LONG, 0, 77);
            assertThat(driver.feature(SET | 7, data)).isZero();
            assertThat(driver.feature(PROBE | 7, data.asSlice(0, 0))).isZero();
            data.fill((byte) 0);
            assertThat(driver.feature(GET | 7, data)).isEqualTo(8);
            assertThat(data.get(JAVA_LONG, 0)).isEqualTo(77);
            assertThatThrownBy(() -> driver.feature(GET | 1, data))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(ENOTTY));
        }
    }

    private static RawMessage feature(int argsz, int flags, Payload data) {
        return RawMessage.command(
                VFIO_USER_DEVICE_FEATURE,
                new Payload().u32(argsz & 0xffff_ffffL).u32(flags).bytes(data.toBytes()));
    }
}
