package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.REG_DOORBELLS;

import org.vfio4j.devicemodel.BarHandler;

/** BAR 0: properties, and behind them doorbells. The function's thread. */
final class RegisterBar implements BarHandler {

    private final Nvme nvme;

    RegisterBar(Nvme nvme) {
        this.nvme = nvme;
    }

    @Override
    public long read(long offset, int width) {
        return nvme.controller().registers().read(offset, width);
    }

    @Override
    public void write(long offset, int width, long value) {
        if (offset < REG_DOORBELLS) {
            nvme.controller().registers().write(offset, width, value);
            nvme.journal().changed();
        } else if (width >= Integer.BYTES) {
            int doorbell = (int) (offset - REG_DOORBELLS);
            nvme.doorbellWrites().ring(doorbell, (int) value);
            if (width == Long.BYTES) {
                nvme.doorbellWrites().ring(doorbell + Integer.BYTES, (int) (value >>> Integer.SIZE));
            }
        }
    }
}
