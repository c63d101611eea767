package org.vfio4j.i40evf;

import static org.vfio4j.i40evf.AqDescriptor.*;
import static org.vfio4j.i40evf.VfRegs.*;

import org.vfio4j.bus.DmaWindow;

/**
 * The two admin queues (X710 datasheet, 7.10): commands come by the send queue (ATQ), nearly all of them messages for
 * {@link VirtchnlPf}; replies and events go to the receive queue (ARQ). Belongs to the queue thread.
 *
 * <p>A command waits until there is a buffer for its reply, so that nothing has to be kept. A ring that makes no sense, or memory
 * that is not there, sets the queue's critical error, and it stands still until the driver enables it anew.
 */
final class AdminQueue {

    private final VfRegisters registers;
    private final VfConfig config;
    private final VirtchnlPf messages;
    private final GuestDma dma;
    private final VfCounters counters;
    private final byte[] descriptor = new byte[BYTES];
    private final byte[] message = new byte[MAX_BUFFER_BYTES];

    // Whether the last poll left a command behind because its memory could not be reached just then.
    private boolean stuck;

    // While a message is handled: whether it has reset the function, and with it these queues.
    private boolean wasReset;

    AdminQueue(VfRegisters registers, VfConfig config, VirtchnlPf messages, GuestDma dma, VfCounters counters) {
        this.registers = registers;
        this.config = config;
        this.messages = messages;
        this.dma = dma;
        this.counters = counters;
    }

    /** The registers have been reset. */
    void reset() {
        wasReset = true;
    }

    boolean isStuck() {
        return stuck;
    }

    /** Handles what waits, and tells what is to be told. Returns how much it did. */
    int poll(DmaWindow window) {
        int did = 0;
        stuck = false;
        while (isEnabled(VF_ATQLEN1) && registers.get(VF_ATQH1) != registers.get(VF_ATQT1) && hasBuffer()) {
            int count = registers.get(VF_ATQLEN1) & AQ_INDEX_MASK;
            int head = registers.get(VF_ATQH1);
            int tail = registers.get(VF_ATQT1);
            if (head < 0 || head >= count || tail < 0 || tail >= count) {
                fail(VF_ATQLEN1);
            } else if (!command(window, address(VF_ATQBAL1, VF_ATQBAH1) + (long) head * BYTES, head, count)) {
                stuck = true;
                break;
            }
            did++;
        }
        if (config.resetEvent && hasReceiveBuffer()) {
            config.resetEvent = false;
            messages.resetEvent();
            send(window, Virtchnl.VIRTCHNL_OP_EVENT, 0);
            did++;
        }
        if (config.linkEvent && hasReceiveBuffer()) {
            config.linkEvent = false;
            messages.linkEvent();
            send(window, Virtchnl.VIRTCHNL_OP_EVENT, 0);
            did++;
        }
        return did;
    }

    /** Returns false when the memory could not be reached just now. */
    private boolean command(DmaWindow window, long at, int head, int count) {
        int result = dma.read(window, at, descriptor, 0, BYTES);
        if (result < 0) {
            return unreachable(result, VF_ATQLEN1);
        }
        int opcode = LittleEndian.u16(descriptor, OPCODE);
        int length = LittleEndian.u16(descriptor, DATALEN);
        int returned = RC_OK;
        int verdict = VirtchnlPf.NO_REPLY;
        int virtchnlOpcode = LittleEndian.i32(descriptor, COOKIE_HIGH);
        wasReset = false;
        if (opcode == OPC_SEND_MSG_TO_PF && length <= MAX_BUFFER_BYTES) {
            result = dma.read(window, bufferAddress(), message, 0, length);
            if (result < 0) {
                return unreachable(result, VF_ATQLEN1);
            }
            verdict = messages.handle(virtchnlOpcode, message, length);
        } else if (opcode != OPC_QUEUE_SHUTDOWN) {
            returned = opcode == OPC_SEND_MSG_TO_PF ? RC_EINVAL : RC_ESRCH;
        }
        int flags = LittleEndian.u16(descriptor, FLAGS) | FLAG_DD | FLAG_CMP | (returned == RC_OK ? 0 : FLAG_ERR);
        LittleEndian.put16(descriptor, FLAGS, flags);
        LittleEndian.put16(descriptor, RETVAL, returned);
        result = dma.write(window, at, descriptor, 0, BYTES);
        if (wasReset) {
            return true;
        }
        if (result < 0) {
            return unreachable(result, VF_ATQLEN1);
        }
        registers.set(VF_ATQH1, head + 1 == count ? 0 : head + 1);
        if (verdict != VirtchnlPf.NO_REPLY) {
            send(window, virtchnlOpcode, verdict);
        }
        return true;
    }

    /** Sends what {@link #messages} has written as its reply. Without a receive queue it is lost. */
    private void send(DmaWindow window, int opcode, int verdict) {
        if (!isEnabled(VF_ARQLEN1)) {
            return;
        }
        int count = registers.get(VF_ARQLEN1) & AQ_INDEX_MASK;
        int head = registers.get(VF_ARQH1);
        if (head < 0 || head >= count) {
            fail(VF_ARQLEN1);
            return;
        }
        long at = address(VF_ARQBAL1, VF_ARQBAH1) + (long) head * BYTES;
        int length = messages.replyLength();
        int result = dma.read(window, at, descriptor, 0, BYTES);
        if (result == 0 && LittleEndian.u16(descriptor, DATALEN) < length) {
            fail(VF_ARQLEN1);
            return;
        }
        if (result == 0) {
            result = dma.write(window, bufferAddress(), messages.reply(), 0, length);
        }
        if (result == 0) {
            int large = LittleEndian.u16(descriptor, FLAGS) & FLAG_LB;
            LittleEndian.put16(descriptor, FLAGS, FLAG_DD | FLAG_CMP | FLAG_BUF | large);
            LittleEndian.put16(descriptor, OPCODE, OPC_SEND_MSG_TO_VF);
            LittleEndian.put16(descriptor, DATALEN, length);
            LittleEndian.put16(descriptor, RETVAL, RC_OK);
            LittleEndian.put32(descriptor, COOKIE_HIGH, opcode);
            LittleEndian.put32(descriptor, COOKIE_LOW, verdict);
            result = dma.write(window, at, descriptor, 0, BYTES);
        }
        if (result < 0) {
            fail(VF_ARQLEN1);
            return;
        }
        registers.set(VF_ARQH1, head + 1 == count ? 0 : head + 1);
        registers.adminCause();
    }

    /** Whether a reply can be sent, or there is nobody to send it to. */
    private boolean hasBuffer() {
        return !isEnabled(VF_ARQLEN1) || hasReceiveBuffer();
    }

    private boolean hasReceiveBuffer() {
        return isEnabled(VF_ARQLEN1) && registers.get(VF_ARQH1) != registers.get(VF_ARQT1);
    }

    private boolean isEnabled(int lengthRegister) {
        return (registers.get(lengthRegister) & (AQ_LEN_ENABLE | AQ_LEN_CRIT)) == AQ_LEN_ENABLE;
    }

    private boolean unreachable(int errno, int lengthRegister) {
        if (DmaWindow.isFault(errno)) {
            fail(lengthRegister);
            return true;
        }
        return false;
    }

    private void fail(int lengthRegister) {
        counters.add(VfCounters.FAULTS, 1);
        registers.set(lengthRegister, registers.get(lengthRegister) | AQ_LEN_CRIT);
        registers.adminCause();
    }

    private long address(int low, int high) {
        return Integer.toUnsignedLong(registers.get(low)) | ((long) registers.get(high) << Integer.SIZE);
    }

    private long bufferAddress() {
        return Integer.toUnsignedLong(LittleEndian.i32(descriptor, ADDR_LOW))
                | ((long) LittleEndian.i32(descriptor, ADDR_HIGH) << Integer.SIZE);
    }
}
