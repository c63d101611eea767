package org.vfio4j.i40evf;

import static org.vfio4j.i40evf.Virtchnl.*;

import java.util.Arrays;

/**
 * The other end of a driver's messages: does what hardware leaves to the physical function's driver. Belongs to the queue thread.
 * A message is checked as a whole before anything of it is done.
 */
final class VirtchnlPf {

    /** What a message does beyond the configuration. */
    interface Effects {

        /** The function goes back to its initial state; there is no reply. */
        void resetWanted();

        /** Queues were started or stopped. */
        void queuesChanged();

        /** Other frames are wanted. */
        void filtersChanged();
    }

    /** {@link #handle}: the message has no reply. */
    static final int NO_REPLY = 1;

    /** The one virtual station interface there is. */
    private static final int VSI_NUMBER = 1;

    private static final int TX_RING_ALIGNMENT = 128;
    private static final int RX_RING_ALIGNMENT = 128;

    private final VfConfig config;
    private final VfCounters counters;
    private final Effects effects;
    private final byte[] reply = new byte[VfCounters.ETH_STATS * Long.BYTES];
    private int replyLength;

    VirtchnlPf(VfConfig config, VfCounters counters, Effects effects) {
        this.config = config;
        this.counters = counters;
        this.effects = effects;
    }

    byte[] reply() {
        return reply;
    }

    int replyLength() {
        return replyLength;
    }

    /**
     * Handles a message of {@code length} bytes.
     *
     * @return a {@code VIRTCHNL_STATUS_*}, to go with {@link #reply}, or {@link #NO_REPLY}
     */
    int handle(int opcode, byte[] message, int length) {
        replyLength = 0;
        return switch (opcode) {
            case VIRTCHNL_OP_VERSION -> version(message, length);
            case VIRTCHNL_OP_RESET_VF -> {
                effects.resetWanted();
                yield NO_REPLY;
            }
            case VIRTCHNL_OP_GET_VF_RESOURCES -> resources(message, length);
            case VIRTCHNL_OP_CONFIG_VSI_QUEUES -> configureQueues(message, length);
            case VIRTCHNL_OP_CONFIG_IRQ_MAP -> mapVectors(message, length);
            case VIRTCHNL_OP_ENABLE_QUEUES -> selectQueues(message, length, true);
            case VIRTCHNL_OP_DISABLE_QUEUES -> selectQueues(message, length, false);
            case VIRTCHNL_OP_ADD_ETH_ADDR -> addAddresses(message, length);
            case VIRTCHNL_OP_DEL_ETH_ADDR -> removeAddresses(message, length);
            case VIRTCHNL_OP_CONFIG_PROMISCUOUS_MODE -> promiscuous(message, length);
            case VIRTCHNL_OP_GET_STATS -> statistics(message, length);
            default -> VIRTCHNL_STATUS_ERR_NOT_SUPPORTED;
        };
    }

    /** Writes the event that the link is up into {@link #reply}. */
    void linkEvent() {
        event(VIRTCHNL_EVENT_LINK_CHANGE);
        LittleEndian.put32(reply, PF_EVENT_LINK_SPEED, VIRTCHNL_LINK_SPEED_10GB);
        reply[PF_EVENT_LINK_STATUS] = 1;
    }

    /** Writes the event that the driver has to reset the function into {@link #reply}. */
    void resetEvent() {
        event(VIRTCHNL_EVENT_RESET_IMPENDING);
        LittleEndian.put32(reply, PF_EVENT_SEVERITY, PF_EVENT_SEVERITY_CERTAIN_DOOM);
    }

    private int version(byte[] message, int length) {
        if (length != VERSION_INFO_BYTES) {
            return VIRTCHNL_STATUS_ERR_OPCODE_MISMATCH;
        }
        boolean old = LittleEndian.i32(message, 0) == VIRTCHNL_VERSION_MAJOR && LittleEndian.i32(message, 4) == 0;
        config.minorVersion = old ? 0 : VIRTCHNL_VERSION_MINOR;
        beginReply(VERSION_INFO_BYTES);
        LittleEndian.put32(reply, 0, VIRTCHNL_VERSION_MAJOR);
        LittleEndian.put32(reply, 4, config.minorVersion);
        return VIRTCHNL_STATUS_SUCCESS;
    }

    private int resources(byte[] message, int length) {
        if (length != (config.minorVersion == 0 ? 0 : Integer.BYTES)) {
            return VIRTCHNL_STATUS_ERR_OPCODE_MISMATCH;
        }
        int wanted = config.minorVersion == 0 ? VIRTCHNL_VF_OFFLOAD_L2 : LittleEndian.i32(message, 0);
        beginReply(VF_RESOURCE_VSI + VSI_RESOURCE_BYTES);
        LittleEndian.put16(reply, VF_RESOURCE_NUM_VSIS, 1);
        LittleEndian.put16(reply, VF_RESOURCE_NUM_QUEUE_PAIRS, config.queuePairs);
        LittleEndian.put16(reply, VF_RESOURCE_MAX_VECTORS, config.queuePairs + 1);
        LittleEndian.put16(reply, VF_RESOURCE_MAX_MTU, TxPacket.MAX_FRAME_BYTES);
        LittleEndian.put32(reply, VF_RESOURCE_VF_CAP_FLAGS, wanted & VIRTCHNL_VF_OFFLOAD_L2);
        int vsi = VF_RESOURCE_VSI;
        LittleEndian.put16(reply, vsi + VSI_ID, VSI_NUMBER);
        LittleEndian.put16(reply, vsi + VSI_NUM_QUEUE_PAIRS, config.queuePairs);
        LittleEndian.put32(reply, vsi + VSI_TYPE, VIRTCHNL_VSI_SRIOV);
        LittleEndian.put32(reply, vsi + VSI_DEFAULT_MAC_ADDR, (int) config.macAddress);
        LittleEndian.put16(reply, vsi + VSI_DEFAULT_MAC_ADDR + 4, (int) (config.macAddress >>> 32));
        return VIRTCHNL_STATUS_SUCCESS;
    }

    private int configureQueues(byte[] message, int length) {
        int pairs = count(message, length, QUEUE_CONFIG_NUM_QUEUE_PAIRS, QUEUE_CONFIG_QPAIR, QUEUE_PAIR_BYTES);
        if (pairs <= 0) {
            return pairs == 0 ? VIRTCHNL_STATUS_ERR_PARAM : pairs;
        }
        if (LittleEndian.u16(message, 0) != VSI_NUMBER || pairs > config.queuePairs) {
            return VIRTCHNL_STATUS_ERR_PARAM;
        }
        for (int i = 0; i < pairs; i++) {
            if (!isPairValid(message, QUEUE_CONFIG_QPAIR + i * QUEUE_PAIR_BYTES)) {
                return VIRTCHNL_STATUS_ERR_PARAM;
            }
        }
        for (int i = 0; i < pairs; i++) {
            int at = QUEUE_CONFIG_QPAIR + i * QUEUE_PAIR_BYTES;
            TxQueue tx = config.tx[LittleEndian.u16(message, at + TXQ_QUEUE_ID)];
            tx.ring = LittleEndian.i64(message, at + TXQ_DMA_RING_ADDR);
            tx.count = LittleEndian.u16(message, at + TXQ_RING_LEN);
            tx.head = 0;
            RxQueue rx = config.rx[LittleEndian.u16(message, at + RXQ_QUEUE_ID)];
            rx.ring = LittleEndian.i64(message, at + RXQ_DMA_RING_ADDR);
            rx.count = LittleEndian.i32(message, at + RXQ_RING_LEN);
            rx.bufferBytes = LittleEndian.i32(message, at + RXQ_DATABUFFER_SIZE);
            rx.maxPacket = LittleEndian.i32(message, at + RXQ_MAX_PKT_SIZE);
            rx.head = 0;
        }
        return VIRTCHNL_STATUS_SUCCESS;
    }

    private boolean isPairValid(byte[] message, int at) {
        int txId = LittleEndian.u16(message, at + TXQ_QUEUE_ID);
        int rxId = LittleEndian.u16(message, at + RXQ_QUEUE_ID);
        return LittleEndian.u16(message, at + TXQ_VSI_ID) == VSI_NUMBER
                && LittleEndian.u16(message, at + RXQ_VSI_ID) == VSI_NUMBER
                && txId < config.queuePairs
                && rxId < config.queuePairs
                && !config.tx[txId].enabled
                && !config.rx[rxId].enabled
                && LittleEndian.u16(message, at + TXQ_HEADWB_ENABLED) == 0
                && LittleEndian.u16(message, at + RXQ_SPLITHDR_ENABLED) == 0
                && isTxRing(
                        LittleEndian.u16(message, at + TXQ_RING_LEN), LittleEndian.i64(message, at + TXQ_DMA_RING_ADDR))
                && isRxRing(
                        LittleEndian.i32(message, at + RXQ_RING_LEN), LittleEndian.i64(message, at + RXQ_DMA_RING_ADDR))
                && isRxBuffer(LittleEndian.i32(message, at + RXQ_DATABUFFER_SIZE))
                && isRxPacket(LittleEndian.i32(message, at + RXQ_MAX_PKT_SIZE));
    }

    static boolean isTxRing(int count, long address) {
        return count >= TxQueue.RING_MULTIPLE
                && count <= TxQueue.MAX_RING
                && count % TxQueue.RING_MULTIPLE == 0
                && address % TX_RING_ALIGNMENT == 0;
    }

    static boolean isRxRing(int count, long address) {
        return count >= RxQueue.RING_MULTIPLE
                && count <= RxQueue.MAX_RING
                && count % RxQueue.RING_MULTIPLE == 0
                && address % RX_RING_ALIGNMENT == 0;
    }

    static boolean isRxBuffer(int bytes) {
        return bytes >= RxQueue.MIN_BUFFER && bytes <= RxQueue.MAX_BUFFER && bytes % RxQueue.BUFFER_MULTIPLE == 0;
    }

    static boolean isRxPacket(int bytes) {
        return bytes >= RxQueue.MIN_MAX_PACKET && bytes <= RxQueue.MAX_MAX_PACKET;
    }

    private int mapVectors(byte[] message, int length) {
        int maps = count(message, length, 0, IRQ_MAP_VECMAP, VECTOR_MAP_BYTES);
        if (maps <= 0) {
            return maps == 0 ? VIRTCHNL_STATUS_ERR_PARAM : maps;
        }
        for (int i = 0; i < maps; i++) {
            int at = IRQ_MAP_VECMAP + i * VECTOR_MAP_BYTES;
            int queues = LittleEndian.u16(message, at + VECTOR_MAP_RXQ_MAP)
                    | LittleEndian.u16(message, at + VECTOR_MAP_TXQ_MAP);
            if (LittleEndian.u16(message, at) != VSI_NUMBER
                    || LittleEndian.u16(message, at + VECTOR_MAP_VECTOR_ID) > config.queuePairs
                    || queues >>> config.queuePairs != 0) {
                return VIRTCHNL_STATUS_ERR_PARAM;
            }
        }
        for (int i = 0; i < maps; i++) {
            int at = IRQ_MAP_VECMAP + i * VECTOR_MAP_BYTES;
            int vector = LittleEndian.u16(message, at + VECTOR_MAP_VECTOR_ID);
            for (int queue = 0; queue < config.queuePairs; queue++) {
                if ((LittleEndian.u16(message, at + VECTOR_MAP_RXQ_MAP) & (1 << queue)) != 0) {
                    config.rx[queue].vector = vector;
                }
                if ((LittleEndian.u16(message, at + VECTOR_MAP_TXQ_MAP) & (1 << queue)) != 0) {
                    config.tx[queue].vector = vector;
                }
            }
        }
        return VIRTCHNL_STATUS_SUCCESS;
    }

    private int selectQueues(byte[] message, int length, boolean enable) {
        if (length != QUEUE_SELECT_BYTES) {
            return VIRTCHNL_STATUS_ERR_OPCODE_MISMATCH;
        }
        int rx = LittleEndian.i32(message, QUEUE_SELECT_RX_QUEUES);
        int tx = LittleEndian.i32(message, QUEUE_SELECT_TX_QUEUES);
        if (LittleEndian.u16(message, 0) != VSI_NUMBER || (rx | tx) == 0 || (rx | tx) >>> config.queuePairs != 0) {
            return VIRTCHNL_STATUS_ERR_PARAM;
        }
        for (int i = 0; enable && i < config.queuePairs; i++) {
            boolean isSet = ((rx & (1 << i)) == 0 || config.rx[i].count != 0)
                    && ((tx & (1 << i)) == 0 || config.tx[i].count != 0);
            if (!isSet) {
                return VIRTCHNL_STATUS_ERR_PARAM;
            }
        }
        for (int i = 0; i < config.queuePairs; i++) {
            if ((rx & (1 << i)) != 0) {
                config.rx[i].enabled = enable;
            }
            if ((tx & (1 << i)) != 0) {
                config.tx[i].enabled = enable;
            }
        }
        config.linkEvent |= enable;
        effects.queuesChanged();
        return VIRTCHNL_STATUS_SUCCESS;
    }

    private int addAddresses(byte[] message, int length) {
        int addresses = count(message, length, ETHER_ADDR_LIST_NUM_ELEMENTS, ETHER_ADDR_LIST, ETHER_ADDR_BYTES);
        int verdict = checkAddresses(message, addresses);
        if (verdict != VIRTCHNL_STATUS_SUCCESS) {
            return verdict;
        }
        MacFilters filters = config.filters;
        for (int i = 0; i < addresses; i++) {
            filters = filters.with(MacFilters.address(message, ETHER_ADDR_LIST + i * ETHER_ADDR_BYTES));
        }
        if (filters.count() > MacFilters.MAX) {
            return VIRTCHNL_STATUS_ERR_NO_MEMORY;
        }
        config.filters = filters;
        effects.filtersChanged();
        return VIRTCHNL_STATUS_SUCCESS;
    }

    private int removeAddresses(byte[] message, int length) {
        int addresses = count(message, length, ETHER_ADDR_LIST_NUM_ELEMENTS, ETHER_ADDR_LIST, ETHER_ADDR_BYTES);
        int verdict = checkAddresses(message, addresses);
        if (verdict != VIRTCHNL_STATUS_SUCCESS) {
            return verdict;
        }
        MacFilters filters = config.filters;
        for (int i = 0; i < addresses; i++) {
            filters = filters.without(MacFilters.address(message, ETHER_ADDR_LIST + i * ETHER_ADDR_BYTES));
        }
        config.filters = filters;
        effects.filtersChanged();
        return VIRTCHNL_STATUS_SUCCESS;
    }

    private static int checkAddresses(byte[] message, int addresses) {
        if (addresses <= 0) {
            return addresses == 0 ? VIRTCHNL_STATUS_ERR_PARAM : addresses;
        }
        boolean valid = LittleEndian.u16(message, 0) == VSI_NUMBER;
        for (int i = 0; i < addresses; i++) {
            valid &= MacFilters.isValid(MacFilters.address(message, ETHER_ADDR_LIST + i * ETHER_ADDR_BYTES));
        }
        return valid ? VIRTCHNL_STATUS_SUCCESS : VIRTCHNL_STATUS_ERR_PARAM;
    }

    private int promiscuous(byte[] message, int length) {
        if (length != PROMISC_INFO_BYTES) {
            return VIRTCHNL_STATUS_ERR_OPCODE_MISMATCH;
        }
        if (LittleEndian.u16(message, 0) != VSI_NUMBER) {
            return VIRTCHNL_STATUS_ERR_PARAM;
        }
        int flags = LittleEndian.u16(message, PROMISC_FLAGS);
        config.filters = config.filters.promiscuous(
                (flags & FLAG_VF_UNICAST_PROMISC) != 0, (flags & FLAG_VF_MULTICAST_PROMISC) != 0);
        effects.filtersChanged();
        return VIRTCHNL_STATUS_SUCCESS;
    }

    private int statistics(byte[] message, int length) {
        if (length != QUEUE_SELECT_BYTES) {
            return VIRTCHNL_STATUS_ERR_OPCODE_MISMATCH;
        }
        if (LittleEndian.u16(message, 0) != VSI_NUMBER) {
            return VIRTCHNL_STATUS_ERR_PARAM;
        }
        beginReply(VfCounters.ETH_STATS * Long.BYTES);
        for (int i = 0; i < VfCounters.ETH_STATS; i++) {
            LittleEndian.put64(reply, i * Long.BYTES, counters.get(i));
        }
        return VIRTCHNL_STATUS_SUCCESS;
    }

    private void event(int code) {
        beginReply(PF_EVENT_BYTES);
        LittleEndian.put32(reply, 0, code);
    }

    private void beginReply(int bytes) {
        Arrays.fill(reply, (byte) 0);
        replyLength = bytes;
    }

    /** How many elements a message has by its own word, or OPCODE_MISMATCH when it is too short for them. */
    private static int count(byte[] message, int length, int countAt, int elementsAt, int elementBytes) {
        if (length < elementsAt) {
            return VIRTCHNL_STATUS_ERR_OPCODE_MISMATCH;
        }
        int elements = LittleEndian.u16(message, countAt);
        return elementsAt + elements * elementBytes <= length ? elements : VIRTCHNL_STATUS_ERR_OPCODE_MISMATCH;
    }
}
