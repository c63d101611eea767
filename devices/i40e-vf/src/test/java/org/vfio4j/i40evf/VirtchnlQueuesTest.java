package org.vfio4j.i40evf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.avfdriver.AvfDriver.*;

import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.avfdriver.AvfDriver.Message;
import org.vfio4j.i40e.I40eRing;

/** VIRTCHNL_OP_CONFIG_VSI_QUEUES, CONFIG_IRQ_MAP, ENABLE_QUEUES and DISABLE_QUEUES. */
class VirtchnlQueuesTest {

    private final Nic nic = new Nic(new NetworkLink().addPort(), 1).open();

    @AfterEach
    void close() {
        nic.close();
    }

    /** Each line spoils two bytes of a message that is right otherwise. */
    @ParameterizedTest
    @CsvSource({
        "0, 2", // another station
        "2, 0", // no pair
        "8, 2", // the transmit queue of another station
        "10, 4", // a transmit queue that does not exist
        "12, 4", // a ring too short
        "12, 63", // a ring whose length is no multiple of 8
        "12, 8168", // a ring too long
        "14, 1", // heads written back
        "16, 64", // a ring on no boundary
        "32, 2", // the receive queue of another station
        "34, 4", // a receive queue that does not exist
        "36, 40", // a ring whose length is no multiple of 32
        "38, 1", // a ring too long
        "42, 1", // headers split off
        "44, 512", // buffers too small
        "44, 1100", // buffers of no multiple of 128
        "46, 1", // buffers too large
        "48, 63", // packets too small
        "48, 16384", // packets too large
        "56, 64" // a ring on no boundary
    })
    void aQueueThatCannotBeIsRefused(int at, int value) {
        byte[] message = queueConfig(nic.tx, nic.rx);
        LittleEndian.put16(message, at, value);
        assertThat(nic.driver.request(OP_CONFIG_VSI_QUEUES, message).status()).isEqualTo(ERR_PARAM);
        assertThat(nic.driver.request(OP_ENABLE_QUEUES, select(1, 1)).status()).isEqualTo(ERR_PARAM);
    }

    @Test
    void aMessageShorterThanItsElementsDoesNotMatchItsOpcode() {
        byte[] queues = queueConfig(nic.tx, nic.rx);
        byte[] map = irqMap(1, 1, 1);
        LittleEndian.put16(queues, 2, 2);
        LittleEndian.put16(map, 0, 2);
        assertThat(nic.driver.request(OP_CONFIG_VSI_QUEUES, queues).status()).isEqualTo(ERR_OPCODE_MISMATCH);
        assertThat(nic.driver.request(OP_CONFIG_VSI_QUEUES, new byte[7]).status())
                .isEqualTo(ERR_OPCODE_MISMATCH);
        assertThat(nic.driver.request(OP_CONFIG_IRQ_MAP, map).status()).isEqualTo(ERR_OPCODE_MISMATCH);
        assertThat(nic.driver.request(OP_ENABLE_QUEUES, new byte[11]).status()).isEqualTo(ERR_OPCODE_MISMATCH);
    }

    @Test
    void morePairsThanThereAreAreRefused() {
        byte[] one = queueConfig(nic.tx, nic.rx);
        byte[] five = Arrays.copyOf(one, 8 + 5 * 64);
        LittleEndian.put16(five, 2, 5);
        assertThat(nic.driver.request(OP_CONFIG_VSI_QUEUES, five).status()).isEqualTo(ERR_PARAM);
    }

    @Test
    void aQueueThatRunsIsNotConfigured() {
        nic.driver.start(nic.tx, nic.rx);
        assertThat(nic.driver
                        .request(OP_CONFIG_VSI_QUEUES, queueConfig(nic.tx, nic.rx))
                        .status())
                .isEqualTo(ERR_PARAM);
        assertThat(nic.driver.request(OP_DISABLE_QUEUES, select(1, 1)).status()).isEqualTo(SUCCESS);
        assertThat(nic.driver
                        .request(OP_CONFIG_VSI_QUEUES, queueConfig(nic.tx, nic.rx))
                        .status())
                .isEqualTo(SUCCESS);
    }

    /** Drivers for older headers send one element more than they use. */
    @Test
    void whatStandsBehindTheElementsIsIgnored() {
        byte[] longer = Arrays.copyOf(queueConfig(nic.tx, nic.rx), 72 + 64);
        assertThat(nic.driver.request(OP_CONFIG_VSI_QUEUES, longer).status()).isEqualTo(SUCCESS);
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "2, 2", "4, 5", "6, 16", "8, 32768"})
    void aMapOfWhatDoesNotExistIsRefused(int at, int value) {
        byte[] message = irqMap(1, 1, 1);
        LittleEndian.put16(message, at, value);
        assertThat(nic.driver.request(OP_CONFIG_IRQ_MAP, message).status()).isEqualTo(ERR_PARAM);
    }

    @Test
    void queuesThatDoNotExistOrAreNotConfiguredAreNotEnabled() {
        assertThat(nic.driver.request(OP_ENABLE_QUEUES, select(1, 0)).status()).isEqualTo(ERR_PARAM);
        assertThat(nic.driver.request(OP_ENABLE_QUEUES, select(16, 0)).status()).isEqualTo(ERR_PARAM);
        assertThat(nic.driver.request(OP_ENABLE_QUEUES, select(0, 0)).status()).isEqualTo(ERR_PARAM);
        assertThat(nic.driver.request(OP_DISABLE_QUEUES, select(0, 1 << 31)).status())
                .isEqualTo(ERR_PARAM);
        byte[] elsewhere = select(1, 1);
        elsewhere[0] = 9;
        assertThat(nic.driver.request(OP_DISABLE_QUEUES, elsewhere).status()).isEqualTo(ERR_PARAM);
    }

    @Test
    void enabledQueuesAreShownAndTheLinkIsToldToBeUp() {
        nic.driver.start(nic.tx, nic.rx);
        Message event = nic.driver.awaitEvent();
        assertThat(event.opcode()).isEqualTo(OP_EVENT);
        assertThat(event.buffer().getInt(0)).isEqualTo(1);
        assertThat(event.buffer().getInt(4)).as("10 Gbit/s").isEqualTo(8);
        assertThat(event.data()[8]).isEqualTo((byte) 1);
        assertThat(nic.vf.rings())
                .containsExactly(
                        new I40eRing(false, 0, nic.tx.iova(), Nic.RING, 16, 0),
                        new I40eRing(true, 0, nic.rx.iova(), Nic.RING, 32, Nic.BUFFER));
        nic.driver.request(OP_DISABLE_QUEUES, select(1, 1));
        assertThat(nic.vf.rings()).isEmpty();
    }
}
