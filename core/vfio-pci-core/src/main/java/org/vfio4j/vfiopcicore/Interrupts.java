package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOTTY;
import static org.vfio4j.uapi.PciRegs.*;
import static org.vfio4j.uapi.Vfio.*;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.IrqKind;
import org.vfio4j.bus.IrqSink;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.IoAddressSpace;
import org.vfio4j.vfio.VfioIrqInfo;
import org.vfio4j.vfio.VfioIrqSet;
import org.vfio4j.vfio.VirqFd;

/**
 * The five interrupt indices of a PCI device, and where the function's interrupts go. The user's thread configures; any thread
 * fires. Of INTx, MSI and MSI-X one is enabled at a time, by {@code VFIO_DEVICE_SET_IRQS} and not by the virtual configuration
 * space, as in the kernel's vfio_pci_intrs.c; the function learns it from its own enable bits.
 */
final class Interrupts implements IrqSink {

    private final PciFunction function;
    private final ConfigSpace config;
    private final int msiPos;
    private final int msixPos;
    private final boolean hasPin;
    private final boolean isExpress;
    private final IntxContext intx = new IntxContext();
    private final IntxPin pin;
    private final VectorContext msi;
    private final VectorContext msix;
    private final EventTriggers err = new EventTriggers(1);
    private final EventTriggers req = new EventTriggers(1);

    // Whichever of msi and msix is enabled. Written by the user's thread.
    private volatile @Nullable VectorContext active;

    // How many of them the function knows to be used: as many as have ever been asked for since they were enabled.
    private int used;

    private final RetiredEventFds retired = new RetiredEventFds();
    private @Nullable IoAddressSpace space;
    private @Nullable VirqFd intxUnmask;

    Interrupts(PciFunction function, ConfigSpace config, CapabilityList caps, IntxPin pin) {
        this.function = function;
        this.config = config;
        this.pin = pin;
        this.msiPos = caps.position(PCI_CAP_ID_MSI);
        this.msixPos = caps.position(PCI_CAP_ID_MSIX);
        this.hasPin = config.get(PCI_INTERRUPT_PIN, 1) != 0;
        this.isExpress = caps.position(PCI_CAP_ID_EXP) != 0;
        this.msi = new VectorContext(msiPos == 0 ? 0 : msiVectors(config.hardware(msiPos + PCI_MSI_FLAGS, 2)), false);
        this.msix = new VectorContext(
                msixPos == 0 ? 0 : (config.hardware(msixPos + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1, true);
    }

    @Override
    public void msi(int vector) {
        VectorContext vectors = active;
        if (vectors != null) {
            vectors.fire(vector);
        }
    }

    @Override
    public void intx(boolean asserted) {
        intx.drive(asserted);
    }

    @Override
    public void error() {
        err.signal(0);
    }

    IntxContext intxContext() {
        return intx;
    }

    VectorContext msiContext() {
        return msi;
    }

    VectorContext msixContext() {
        return msix;
    }

    /** Asks the user to let go of the device. Returns whether it wants to know. Any thread. */
    boolean request() {
        return req.signal(0);
    }

    /** The space whose windows the firing threads stand in; null when there is none. */
    void setSpace(@Nullable IoAddressSpace newSpace) {
        space = newSpace;
        if (newSpace == null) {
            retired.close();
        }
    }

    VfioIrqInfo info(int index) {
        int maskable = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE;
        int single = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;
        return switch (index) {
            case VFIO_PCI_INTX_IRQ_INDEX -> new VfioIrqInfo(index, maskable | VFIO_IRQ_INFO_AUTOMASKED, hasPin ? 1 : 0);
            case VFIO_PCI_MSI_IRQ_INDEX -> new VfioIrqInfo(index, maskable, msi.count());
            case VFIO_PCI_MSIX_IRQ_INDEX -> new VfioIrqInfo(index, maskable, msix.count());
            case VFIO_PCI_ERR_IRQ_INDEX -> new VfioIrqInfo(index, single, isExpress ? 1 : 0);
            case VFIO_PCI_REQ_IRQ_INDEX -> new VfioIrqInfo(index, single, 1);
            default -> throw new ErrnoException(EINVAL, "irq index " + index + " of " + VFIO_PCI_NUM_IRQS);
        };
    }

    /** Applies a valid request, and owns its descriptors. */
    void set(VfioIrqSet set) {
        try {
            switch (set.index()) {
                case VFIO_PCI_INTX_IRQ_INDEX -> setIntx(set);
                case VFIO_PCI_MSI_IRQ_INDEX -> setMessages(set, msi);
                case VFIO_PCI_MSIX_IRQ_INDEX -> setMessages(set, msix);
                case VFIO_PCI_ERR_IRQ_INDEX -> err.set(set);
                default -> req.set(set);
            }
        } catch (ErrnoException e) {
            set.closeEventFds();
            throw e;
        }
    }

    /** Everything off, every descriptor closed. */
    void disableAll() {
        disableIntx();
        disableMessages(msi);
        disableMessages(msix);
        err.disable();
        req.disable();
    }

    /** The function was reset: nothing is pending or masked. Where interrupts go stays. */
    void afterReset() {
        intx.drive(false);
        msi.clearPending();
        msi.resetMasks();
        msix.clearPending();
        msix.resetMasks();
        clearFunctionMask();
    }

    private void setIntx(VfioIrqSet set) {
        boolean eventFds = (set.flags() & VFIO_IRQ_SET_DATA_EVENTFD) != 0;
        int action = set.flags() & VFIO_IRQ_SET_ACTION_TYPE_MASK;
        if (set.count() == 0) {
            disableIntx();
        } else if (eventFds && action == VFIO_IRQ_SET_ACTION_TRIGGER) {
            if (active != null) {
                throw new ErrnoException(EINVAL, "enable INTx while MSI or MSI-X is enabled");
            }
            if (!intx.isEnabled()) {
                function.useIrqs(IrqKind.INTX, 1);
            }
            intx.assign(set.eventFds().stream().findFirst()).ifPresent(Fd::close);
        } else if (eventFds && action == VFIO_IRQ_SET_ACTION_MASK) {
            throw new ErrnoException(ENOTTY, "mask INTx by eventfd");
        } else if (!intx.isEnabled()) {
            throw new ErrnoException(EINVAL, "mask, unmask or trigger INTx, which is not enabled");
        } else if (eventFds) {
            unmaskBy(set.eventFds().stream().findFirst());
        } else if (selects(set, 0)) {
            switch (action) {
                case VFIO_IRQ_SET_ACTION_MASK -> intx.mask();
                case VFIO_IRQ_SET_ACTION_UNMASK -> unmaskIntx();
                default -> intx.trigger();
            }
        }
    }

    private void setMessages(VfioIrqSet set, VectorContext vectors) {
        boolean eventFds = (set.flags() & VFIO_IRQ_SET_DATA_EVENTFD) != 0;
        int action = set.flags() & VFIO_IRQ_SET_ACTION_TYPE_MASK;
        if (set.count() == 0) {
            disableMessages(vectors);
        } else if (eventFds && action == VFIO_IRQ_SET_ACTION_TRIGGER) {
            enableMessages(vectors, set.start() + set.count());
            retired.add(vectors.assign(set.start(), set.count(), set.eventFds()), space);
        } else if (eventFds) {
            throw new ErrnoException(ENOTTY, "mask or unmask " + nameOf(vectors) + " by eventfd");
        } else if (action == VFIO_IRQ_SET_ACTION_TRIGGER && !vectors.isEnabled()) {
            throw new ErrnoException(EINVAL, "trigger " + nameOf(vectors) + ", which is not enabled");
        } else {
            apply(set, vectors, action);
        }
    }

    private static void apply(VfioIrqSet set, VectorContext vectors, int action) {
        for (int i = 0; i < set.count(); i++) {
            if (selects(set, i)) {
                int vector = set.start() + i;
                switch (action) {
                    case VFIO_IRQ_SET_ACTION_MASK -> vectors.setMasked(vector, true);
                    case VFIO_IRQ_SET_ACTION_UNMASK -> vectors.setMasked(vector, false);
                    default -> vectors.trigger(vector);
                }
            }
        }
    }

    private void enableMessages(VectorContext vectors, int wanted) {
        if (vectors.isEnabled()) {
            use(vectors, wanted);
        } else {
            if (active != null || intx.isEnabled()) {
                throw new ErrnoException(EINVAL, "enable " + nameOf(vectors) + " while another kind of interrupt is");
            }
            vectors.enable();
            active = vectors;
            try {
                use(vectors, wanted);
            } catch (ErrnoException e) {
                active = null;
                vectors.disable();
                throw e;
            }
            // After the vectors are ready: from here on the function sends messages instead of driving its pin.
            setEnableBit(vectors, true);
        }
        if (vectors == msi) {
            // As many messages as have ever been asked for; a function with fewer folds its interrupts onto them.
            int old = config.hardware(msiPos + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_QSIZE;
            int size = (32 - Integer.numberOfLeadingZeros(wanted - 1)) << 4;
            config.changeHardware(msiPos + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_QSIZE, Math.max(old, size));
        }
    }

    /** Has the function send that many at least. */
    private void use(VectorContext vectors, int wanted) {
        if (wanted > used) {
            try {
                function.useIrqs(vectors == msi ? IrqKind.MSI : IrqKind.MSIX, wanted);
                used = wanted;
            } catch (ErrnoException e) {
                // Whether it has those of before again is not known: the next request asks once more.
                used = 0;
                throw e;
            }
        }
    }

    private void disableMessages(VectorContext vectors) {
        if (!vectors.isEnabled()) {
            return;
        }
        if (vectors == msi) {
            config.changeHardware(msiPos + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_QSIZE, 0);
        }
        setEnableBit(vectors, false);
        active = null;
        used = 0;
        List<Fd> old = vectors.disable();
        try {
            function.useIrqs(IrqKind.NONE, 0);
        } finally {
            retired.add(old, space);
            clearFunctionMask();
        }
    }

    private void clearFunctionMask() {
        if (msixPos != 0) {
            int control = msixPos + PCI_MSIX_FLAGS;
            config.set(control, 2, config.get(control, 2) & ~PCI_MSIX_FLAGS_MASKALL);
        }
    }

    // In the function and in what the user sees; the function's pin is off while it sends messages.
    private void setEnableBit(VectorContext vectors, boolean on) {
        int control = vectors == msi ? msiPos + PCI_MSI_FLAGS : msixPos + PCI_MSIX_FLAGS;
        int enable = vectors == msi ? PCI_MSI_FLAGS_ENABLE : PCI_MSIX_FLAGS_ENABLE;
        config.changeHardware(control, 2, enable, on ? enable : 0);
        config.set(control, 2, LittleEndian.merge(config.get(control, 2), enable, on ? enable : 0));
        pin.setSendsMessages(on);
    }

    private void disableIntx() {
        unmaskBy(Optional.empty());
        boolean wasEnabled = intx.isEnabled();
        intx.disable().ifPresent(Fd::close);
        if (wasEnabled) {
            function.useIrqs(IrqKind.NONE, 0);
        }
    }

    // The function first: what it has to report it reports again while this still holds it back.
    private void unmaskIntx() {
        function.unmaskIntx();
        intx.unmask();
    }

    /** Unmasks INTx whenever the eventfd is signalled, as KVM does at an end of interrupt; empty for no longer. */
    private void unmaskBy(Optional<Fd> eventFd) {
        VirqFd old = intxUnmask;
        intxUnmask = null;
        if (old != null) {
            old.close();
        }
        eventFd.ifPresent(fd -> intxUnmask = VirqFd.watch(fd, this::unmaskIntx));
    }

    private String nameOf(VectorContext vectors) {
        return vectors == msi ? "MSI" : "MSI-X";
    }

    private static boolean selects(VfioIrqSet set, int i) {
        return (set.flags() & VFIO_IRQ_SET_DATA_BOOL) == 0 || set.bools().get(i);
    }

    private static int msiVectors(int flags) {
        // 6 and 7 are reserved; 32 messages are the most.
        return 1 << Math.min((flags & PCI_MSI_FLAGS_QMASK) >> 1, 5);
    }
}
