package org.vfio4j.i40evf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.avfdriver.AvfDriver.*;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** VIRTCHNL_OP_ADD_ETH_ADDR, DEL_ETH_ADDR and CONFIG_PROMISCUOUS_MODE: which frames a function gets. */
class VirtchnlFilterTest {

    private static final byte[] NOBODY = new byte[6];
    private static final byte[] EVERYBODY = {-1, -1, -1, -1, -1, -1};
    private static final byte[] STRANGER = {2, 9, 9, 9, 9, 9};
    private static final byte[] GROUP = {1, 0, 0x5e, 0, 0, 1};

    private final NetworkLink link = new NetworkLink();
    private final Nic sender = new Nic(link.addPort(), 1).start();
    private final Nic receiver = new Nic(link.addPort(), 2).start();

    @AfterEach
    void close() {
        sender.close();
        receiver.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {OP_ADD_ETH_ADDR, OP_DEL_ETH_ADDR})
    void anAddressThatIsNoStationsOrGroupsIsRefused(int opcode) {
        assertThat(receiver.driver.request(opcode, addresses(STRANGER, NOBODY)).status())
                .isEqualTo(ERR_PARAM);
        assertThat(receiver.driver.request(opcode, addresses(EVERYBODY)).status())
                .isEqualTo(ERR_PARAM);
        assertThat(receiver.driver.request(opcode, addresses()).status()).isEqualTo(ERR_PARAM);
        byte[] cut = addresses(STRANGER, GROUP);
        assertThat(receiver.driver
                        .request(opcode, java.util.Arrays.copyOf(cut, 19))
                        .status())
                .isEqualTo(ERR_OPCODE_MISMATCH);
        assertThat(reaches(STRANGER)).isFalse();
    }

    @Test
    void moreAddressesThanThereIsRoomForAreRefusedAndNoneIsAdded() {
        byte[][] many = new byte[MacFilters.MAX][];
        for (int i = 0; i < many.length; i++) {
            many[i] = new byte[] {2, 1, 1, 1, 1, (byte) i};
        }
        assertThat(receiver.driver.request(OP_ADD_ETH_ADDR, addresses(many)).status())
                .isEqualTo(ERR_NO_MEMORY);
        assertThat(reaches(many[0])).isFalse();
    }

    @Test
    void framesForOthersDoNotCome() {
        assertThat(reaches(STRANGER)).isFalse();
        assertThat(reaches(GROUP)).isFalse();
        assertThat(reaches(sender.mac)).isFalse();
    }

    @Test
    void itsOwnAddressAndEverybodysReachAFunction() {
        assertThat(reaches(receiver.mac)).isTrue();
        assertThat(reaches(EVERYBODY)).isTrue();
    }

    @Test
    void anAddressIsAddedAndTakenAway() {
        assertThat(receiver.driver
                        .request(OP_ADD_ETH_ADDR, addresses(STRANGER, GROUP))
                        .status())
                .isEqualTo(SUCCESS);
        assertThat(reaches(STRANGER)).isTrue();
        assertThat(reaches(GROUP)).isTrue();
        assertThat(receiver.driver.request(OP_DEL_ETH_ADDR, addresses(STRANGER)).status())
                .isEqualTo(SUCCESS);
        assertThat(reaches(STRANGER)).isFalse();
        assertThat(reaches(GROUP)).isTrue();
    }

    @Test
    void promiscuousModesTakeEverythingOfTheirKind() {
        assertThat(receiver.driver
                        .request(OP_CONFIG_PROMISCUOUS_MODE, ints(VSI | 1 << 16))
                        .status())
                .isEqualTo(SUCCESS);
        assertThat(reaches(STRANGER)).isTrue();
        assertThat(reaches(GROUP)).isFalse();
        receiver.driver.request(OP_CONFIG_PROMISCUOUS_MODE, ints(VSI | 2 << 16));
        assertThat(reaches(STRANGER)).isFalse();
        assertThat(reaches(GROUP)).isTrue();
        assertThat(receiver.driver.request(OP_CONFIG_PROMISCUOUS_MODE, ints(7)).status())
                .isEqualTo(ERR_PARAM);
    }

    /** Whether a frame to this address comes before one that always comes. */
    private boolean reaches(byte[] destination) {
        byte[] frame = sender.frameTo(receiver, 64, 1);
        System.arraycopy(destination, 0, frame, 0, 6);
        byte[] last = sender.frameTo(receiver, 64, 2);
        sender.tx.send(frame);
        sender.tx.send(last);
        byte[] first = receiver.rx.receive();
        if (java.util.Arrays.equals(first, last)) {
            return false;
        }
        assertThat(first).isEqualTo(frame);
        assertThat(receiver.rx.receive()).isEqualTo(last);
        return true;
    }
}
