package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.devicemodel.FunctionJournal;
import org.vfio4j.devicemodel.StateJournal;
import org.vfio4j.devicemodel.StateRecords;
import org.vfio4j.sys.ErrnoException;

/**
 * A controller that goes on where another one has died says so by CSTS.CFS (NVM Express Base 2.0, 3.1.3.6): its driver resets it, makes its
 * queues anew, and does again what was not completed. What is kept are the properties, as the driver has written them; a command's effects
 * are the storage's. Before the driver has used an I/O queue nothing has failed: {@link SetUpJournal}. The function's thread.
 *
 * <pre>
 *   0 the properties     then, at a multiple of 64, the set-up
 * </pre>
 */
final class NvmeFunctionJournal implements FunctionJournal {

    /** CC, AQA, ASQ, ACQ and the interrupt mask. */
    private static final int BYTES = 3 * Integer.BYTES + 2 * Long.BYTES;

    private static final Logger LOG = System.getLogger(NvmeFunctionJournal.class.getName());

    private final Nvme nvme;
    private final NvmeRegisters registers;
    private final SetUpJournal setUp;
    private volatile @Nullable StateJournal kept;
    private volatile boolean frozen;

    NvmeFunctionJournal(Nvme nvme, NvmeRegisters registers, SetUpJournal setUp) {
        this.nvme = nvme;
        this.registers = registers;
        this.setUp = setUp;
    }

    @Override
    public long sizeBytes() {
        return StateJournal.sizeBytes(BYTES) + setUp.sizeBytes();
    }

    @Override
    public void recover(long address) {
        StateJournal from = new StateJournal(address, BYTES);
        Optional<byte[]> last = from.read();
        Optional<byte[]> begun = setUp.keepAt(address + StateJournal.sizeBytes(BYTES));
        if (last.isPresent()) {
            if (last.get().length != BYTES) {
                throw StateRecords.refused(last.get().length + " bytes of a controller's properties, not " + BYTES);
            }
            nvme.threads().callQuiesced(() -> load(ByteBuffer.wrap(last.get()), begun));
        }
        kept = from;
    }

    @Override
    public void freeze() {
        frozen = true;
        setUp.freeze();
        nvme.doorbells().freeze();
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

    private void load(ByteBuffer from, Optional<byte[]> begun) {
        int cc = from.getInt();
        boolean enabled = (cc & CC_EN) != 0;
        boolean shutsDown = ((cc >>> CC_SHN_SHIFT) & CC_SHN_MASK) != 0;
        boolean isSetUp = enabled && !shutsDown && begun.isPresent();
        boolean begins = isSetUp && SetUpJournal.isAboutToBegin(begun.get());
        boolean goesOn = isSetUp && !begins && hasQueues(begun.get());
        registers.load(cc, from.getInt(), from.getLong(), from.getLong(), from.getInt());
        if (begins) {
            nvme.controller().enable();
            return;
        }
        registers.setStatus(goesOn ? CSTS_RDY : enabled ? CSTS_RDY | CSTS_CFS : 0);
        if (!goesOn) {
            setUp.clear();
        }
        if (shutsDown) {
            // Perhaps the other one was at it.
            nvme.controller().shutdown();
        }
    }

    /** Makes the queues that the driver has set up. Returns false when this controller cannot have them. */
    private boolean hasQueues(byte[] begun) {
        Controller controller = nvme.controller();
        try {
            NvmeState.parse(begun, controller.queuePairs()).put(controller);
        } catch (ErrnoException e) {
            LOG.log(Level.WARNING, "its driver has to set up the controller anew: {0}", e.getMessage());
            return false;
        }
        if (!nvme.doorbells().isGiven()) {
            for (int doorbell : new int[] {Doorbells.tailOf(0), Doorbells.headOf(0)}) {
                nvme.doorbells().set(doorbell, setUp.rung(doorbell));
            }
        }
        // Nobody knows whether the driver was interrupted for the last ones.
        Objects.requireNonNull(controller.queues().completion(0)).unreported++;
        setUp.goOn();
        return true;
    }
}
