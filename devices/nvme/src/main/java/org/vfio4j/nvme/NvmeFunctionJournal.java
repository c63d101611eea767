package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import java.nio.ByteBuffer;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.devicemodel.FunctionJournal;
import org.vfio4j.devicemodel.StateJournal;
import org.vfio4j.devicemodel.StateRecords;

/**
 * A controller that goes on where another one has died says so by CSTS.CFS (NVM Express Base 2.0, 3.1.3.6): its driver resets it, makes its
 * queues anew, and does again what was not completed. What is kept are the properties, as the driver has written them; a command's effects
 * are the storage's. The function's thread.
 */
final class NvmeFunctionJournal implements FunctionJournal {

    /** CC, AQA, ASQ, ACQ and the interrupt mask. */
    private static final int BYTES = 3 * Integer.BYTES + 2 * Long.BYTES;

    private final Nvme nvme;
    private final NvmeRegisters registers;
    private volatile @Nullable StateJournal kept;
    private volatile boolean frozen;

    NvmeFunctionJournal(Nvme nvme, NvmeRegisters registers) {
        this.nvme = nvme;
        this.registers = registers;
    }

    @Override
    public long sizeBytes() {
        return StateJournal.sizeBytes(BYTES);
    }

    @Override
    public void recover(long address) {
        StateJournal from = new StateJournal(address, BYTES);
        Optional<byte[]> last = from.read();
        if (last.isPresent()) {
            if (last.get().length != BYTES) {
                throw StateRecords.refused(last.get().length + " bytes of a controller's properties, not " + BYTES);
            }
            nvme.threads().callQuiesced(() -> load(ByteBuffer.wrap(last.get())));
        }
        kept = from;
    }

    @Override
    public void freeze() {
        frozen = true;
    }

    /** The driver has written a property. */
    void changed() {
        StateJournal to = kept;
        if (to != null && !frozen) {
            to.write(ByteBuffer.allocate(BYTES)
                    .putInt(registers.cc())
                    .putInt(registers.adminAttributes())
                    .putLong(registers.adminSubmission())
                    .putLong(registers.adminCompletion())
                    .putInt(registers.interruptMask())
                    .array());
        }
    }

    private void load(ByteBuffer from) {
        int cc = from.getInt();
        registers.load(cc, from.getInt(), from.getLong(), from.getLong(), from.getInt());
        registers.setStatus((cc & CC_EN) != 0 ? CSTS_RDY | CSTS_CFS : 0);
        if (((cc >>> CC_SHN_SHIFT) & CC_SHN_MASK) != 0) {
            // Perhaps the other one was at it.
            nvme.controller().shutdown();
        }
    }
}
