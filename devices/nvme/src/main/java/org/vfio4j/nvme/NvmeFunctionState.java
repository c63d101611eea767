package org.vfio4j.nvme;

import static org.vfio4j.sys.Errno.EBUSY;

import java.util.List;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.sys.ErrnoException;

/** Stops a controller, and moves its state. From the function's thread. */
final class NvmeFunctionState implements FunctionState {

    /** What features, held commands and logs take, about. */
    private static final int ADMIN_BYTES = ErrorLog.SIZE + 1024;

    private final Nvme nvme;

    NvmeFunctionState(Nvme nvme) {
        this.nvme = nvme;
    }

    @Override
    public void suspend() {
        nvme.suspend();
    }

    @Override
    public void resume() {
        nvme.resume();
    }

    @Override
    public void release() {
        nvme.storage().all().forEach(BlockBackend::release);
    }

    /** All or none: who has one of them may wait for the others. */
    @Override
    public void claim() {
        List<BlockBackend> storages = nvme.storage().all();
        try {
            storages.forEach(BlockBackend::claim);
        } catch (ErrnoException e) {
            storages.forEach(BlockBackend::release);
            throw e;
        }
    }

    @Override
    public int sizeBytes() {
        return NvmeState.sizeBytes(nvme.controller().queuePairs()) + ADMIN_BYTES;
    }

    @Override
    public byte[] save() {
        requireSuspended("save");
        byte[][] saved = new byte[1][];
        Controller controller = nvme.controller();
        nvme.threads().callQuiesced(() -> saved[0] = NvmeState.take(controller).toBytes(controller.queuePairs()));
        return saved[0];
    }

    @Override
    public void load(byte[] bytes) {
        requireSuspended("load");
        NvmeState state = NvmeState.parse(bytes, nvme.controller().queuePairs());
        ErrnoException[] refusal = new ErrnoException[1];
        nvme.threads().callQuiesced(() -> {
            try {
                state.put(nvme.controller());
                state.ring(nvme.doorbells());
            } catch (ErrnoException e) {
                refusal[0] = e;
            }
        });
        if (refusal[0] != null) {
            throw refusal[0];
        }
    }

    private void requireSuspended(String what) {
        if (!nvme.isSuspended()) {
            throw new ErrnoException(EBUSY, what + " the state of a controller that is not suspended");
        }
    }
}
