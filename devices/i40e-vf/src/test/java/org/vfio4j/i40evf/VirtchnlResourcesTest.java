package org.vfio4j.i40evf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.avfdriver.AvfDriver.*;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.avfdriver.AvfDriver.Message;

/** VIRTCHNL_OP_VERSION, GET_VF_RESOURCES, RESET_VF, GET_STATS, and what is not supported. */
class VirtchnlResourcesTest {

    private final NetworkLink link = new NetworkLink();
    private final Nic nic = new Nic(link.addPort(), 1).open();

    @AfterEach
    void close() {
        nic.close();
    }

    /** Among them ADD_VLAN, DEL_VLAN, the RSS messages, REQUEST_QUEUES, and an event, which only the function sends. */
    @ParameterizedTest
    @ValueSource(ints = {0, 4, 5, 12, 13, 16, 17, 20, 23, 24, 25, 26, 27, 28, 29, 30, 31, 51, 1000, -1})
    void whatIsNotOfferedIsNotSupported(int opcode) {
        nic.driver.command(SEND_MSG_TO_PF, opcode, ints(1, 1, 1));
        Message answer = nic.driver.awaitMessage();
        assertThat(answer.opcode()).isEqualTo(opcode);
        assertThat(answer.status()).isEqualTo(ERR_NOT_SUPPORTED);
        assertThat(answer.data()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {OP_VERSION, OP_GET_VF_RESOURCES, OP_GET_STATS, OP_CONFIG_PROMISCUOUS_MODE})
    void aMessageOfTheWrongLengthDoesNotMatchItsOpcode(int opcode) {
        assertThat(nic.driver.request(opcode, new byte[3]).status()).isEqualTo(ERR_OPCODE_MISMATCH);
        assertThat(nic.driver.request(opcode, new byte[100]).status()).isEqualTo(ERR_OPCODE_MISMATCH);
    }

    @Test
    void versionIsOneOneForAllButTheOldest() {
        assertThat(nic.driver.request(OP_VERSION, ints(1, 1)).data()).isEqualTo(ints(1, 1));
        assertThat(nic.driver.request(OP_VERSION, ints(2, 7)).data()).isEqualTo(ints(1, 1));
        assertThat(nic.driver.request(OP_VERSION, ints(1, 0)).data()).isEqualTo(ints(1, 0));
    }

    @Test
    void theOldestDriverAsksForResourcesWithoutCapabilities() {
        nic.driver.request(OP_VERSION, ints(1, 0));
        assertThat(nic.driver.request(OP_GET_VF_RESOURCES, ints(1)).status()).isEqualTo(ERR_OPCODE_MISMATCH);
        assertThat(nic.driver.request(OP_GET_VF_RESOURCES).buffer().getInt(8)).isEqualTo(1);
    }

    @Test
    void resourcesAreOneStationWithItsQueuesVectorsAndAddress() {
        nic.driver.request(OP_VERSION, ints(1, 1));
        Message answer = nic.driver.request(OP_GET_VF_RESOURCES, ints(-1));
        ByteBuffer data = answer.buffer();
        assertThat(answer.data()).hasSize(36);
        assertThat(data.getShort(0)).isEqualTo((short) 1);
        assertThat(data.getShort(2)).isEqualTo((short) 4);
        assertThat(data.getShort(4)).isEqualTo((short) 5);
        assertThat(data.getShort(6)).isEqualTo((short) 9728);
        assertThat(data.getShort(20)).isEqualTo((short) VSI);
        assertThat(data.getShort(22)).isEqualTo((short) 4);
        assertThat(data.getInt(24)).isEqualTo(6);
        assertThat(java.util.Arrays.copyOfRange(answer.data(), 30, 36)).isEqualTo(nic.mac);
    }

    @Test
    void onlyWhatIsBothAskedForAndThereIsGranted() {
        nic.driver.request(OP_VERSION, ints(1, 1));
        assertThat(nic.driver.request(OP_GET_VF_RESOURCES, ints(-1)).buffer().getInt(8))
                .isEqualTo(1);
        assertThat(nic.driver
                        .request(OP_GET_VF_RESOURCES, ints(0x10000))
                        .buffer()
                        .getInt(8))
                .isZero();
    }

    @Test
    void resetEndsQueuesAndHasNoReply() {
        nic.driver.negotiate();
        nic.driver.start(nic.tx, nic.rx);
        nic.driver.awaitEvent();
        assertThat(nic.vf.rings()).hasSize(2);
        nic.driver.prepare(SEND_MSG_TO_PF, OP_RESET_VF, new byte[0]);
        nic.driver.ring();
        await("the end of the admin queues", () -> (nic.read(ARQLEN) & ENABLE) == 0);
        assertThat(nic.read(RSTAT) & 3).isEqualTo(2);
        assertThat(nic.read(ATQLEN)).isZero();
        assertThat(nic.vf.rings()).isEmpty();
        nic.open();
        assertThat(nic.driver.hasMessage()).isFalse();
        assertThat(nic.driver.request(OP_ENABLE_QUEUES, select(1, 1)).status()).isEqualTo(ERR_PARAM);
    }

    @Test
    void aFunctionLevelResetEndsEverythingToo() {
        nic.driver.negotiate();
        nic.driver.start(nic.tx, nic.rx);
        nic.function.reset();
        assertThat(nic.read(ATQLEN)).isZero();
        assertThat(nic.read(RSTAT) & 3).isEqualTo(2);
        assertThat(nic.vf.rings()).isEmpty();
    }

    @Test
    void statisticsCountWhatWasSent() {
        try (Nic other = new Nic(link.addPort(), 2).start()) {
            nic.driver.negotiate();
            nic.driver.start(nic.tx, nic.rx);
            nic.driver.awaitEvent();
            nic.tx.send(nic.frameTo(other, 100, 1));
            nic.tx.awaitSent();
            other.rx.receive();
            ByteBuffer sent = nic.driver.request(OP_GET_STATS, select(0, 0)).buffer();
            assertThat(sent.capacity()).isEqualTo(96);
            assertThat(sent.getLong(6 * 8)).isEqualTo(100);
            assertThat(sent.getLong(7 * 8)).isEqualTo(1);
            ByteBuffer received =
                    other.driver.request(OP_GET_STATS, select(0, 0)).buffer();
            assertThat(received.getLong(0)).isEqualTo(100);
            assertThat(received.getLong(8)).isEqualTo(1);
        }
    }
}
