package org.vfio4j.vfiopcicore;

import static org.vfio4j.uapi.PciRegs.*;

/**
 * The MSI capability (PCI Local Bus 3.0, 6.8.1): the user chooses no more messages than the function has; mask bits act on the
 * vectors, pending bits come from them. Enabling is virtual: SET_IRQS does it. Used by the user's thread.
 */
final class MsiControl implements ConfigHook {

    private static final int QSIZE_SHIFT = 4;
    private static final int QMASK_SHIFT = 1;

    private final ConfigSpace config;
    private final VectorContext vectors;
    private final int pos;

    /** @param pos where the capability stands */
    MsiControl(ConfigSpace config, VectorContext vectors, int pos) {
        this.config = config;
        this.vectors = vectors;
        this.pos = pos;
    }

    void install() {
        config.hook(pos, this);
        int flags = config.hardware(pos + PCI_MSI_FLAGS, 2);
        if ((flags & PCI_MSI_FLAGS_MASKBIT) != 0) {
            boolean wide = (flags & PCI_MSI_FLAGS_64BIT) != 0;
            installMask(pos + (wide ? PCI_MSI_MASK_64 : PCI_MSI_MASK_32));
            installPending(pos + (wide ? PCI_MSI_PENDING_64 : PCI_MSI_PENDING_32));
        }
    }

    @Override
    public void written(int offset, int width, int value) {
        int flags = config.get(pos + PCI_MSI_FLAGS, 2);
        int most = (flags & PCI_MSI_FLAGS_QMASK) >> QMASK_SHIFT;
        if ((flags & PCI_MSI_FLAGS_QSIZE) >> QSIZE_SHIFT > most) {
            config.set(pos + PCI_MSI_FLAGS, 2, LittleEndian.merge(flags, PCI_MSI_FLAGS_QSIZE, most << QSIZE_SHIFT));
        }
    }

    private void installMask(int register) {
        config.hook(register, new ConfigHook() {
            @Override
            public void beforeRead() {
                int bits = 0;
                for (int i = 0; i < vectors.count(); i++) {
                    bits |= vectors.isMasked(i) ? 1 << i : 0;
                }
                config.set(register, 4, bits);
            }

            @Override
            public void written(int offset, int width, int value) {
                int first = (offset - register) * 8;
                for (int i = first; i < Math.min(first + width * 8, vectors.count()); i++) {
                    vectors.setMasked(i, ((value >> (i - first)) & 1) != 0);
                }
            }
        });
    }

    private void installPending(int register) {
        config.hook(register, new ConfigHook() {
            @Override
            public void beforeRead() {
                config.set(register, 4, (int) vectors.pendingWord(0));
            }
        });
    }
}
