package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntBinaryOperator;
import java.util.function.LongSupplier;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.Register;
import org.vfio4j.devicemodel.RegisterSet;

/**
 * The controller's properties (NVM Express Base 2.0, 3.1.3), below the doorbells in BAR 0. The function's thread reads and writes
 * them; what a write sets in motion is {@link Effects}, and the queue thread says in CSTS how far it is.
 */
final class NvmeRegisters implements BarHandler {

    /** Called by the function's thread; none of them blocks for long. */
    interface Effects {

        /** CC.EN was set: the controller becomes ready, or CSTS.CFS says that it cannot. */
        void enable();

        /** CC.EN was cleared: a controller reset, after which CSTS is 0. */
        void disable();

        /** CC.SHN was set: CSTS.SHST says when all is stable. */
        void shutdown();

        /** INTMS or INTMC was written. */
        void interruptMaskChanged();
    }

    /**
     * How long a driver should wait for CSTS.RDY, in units of 500 ms. A controller reset is not over while the storage has commands that
     * read or write the driver's memory: longer than the 30 s that disks, and what is between them and the host, take before they give
     * up, and some more to try once again.
     */
    static final long TIMEOUT = 120;

    private static final long TIMEOUT_NS = TIMEOUT * 500_000_000;

    /** The largest page is 64 KiB, as arm64 has it. */
    static final int MPSMAX = 4;

    private static final int MPSMAX_SHIFT = 52;

    /** What of CC is as it was when EN was set. */
    private static final int CC_FIXED =
            (CC_CSS_MASK << CC_CSS_SHIFT) | (CC_MPS_MASK << CC_MPS_SHIFT) | (CC_AMS_MASK << CC_AMS_SHIFT);

    private final Effects effects;
    private final RegisterSet registers;
    private final AtomicInteger status = new AtomicInteger();
    private final AtomicInteger interruptMask = new AtomicInteger();
    private final LongSupplier nanoTime;
    private volatile int configuration;
    private volatile long enableChangedNs;
    private volatile int adminAttributes;
    private volatile long adminSubmission;
    private volatile long adminCompletion;

    /** @param nanoTime as {@link System#nanoTime} */
    NvmeRegisters(Effects effects, LongSupplier nanoTime) {
        this.effects = effects;
        this.nanoTime = nanoTime;
        long capabilities = (NvmeLimits.MAX_QUEUE_ENTRIES - 1)
                | CAP_CQR
                | (TIMEOUT << CAP_TO_SHIFT)
                | CAP_CSS_NVM
                | CAP_CRMS_CRWMS
                | ((long) MPSMAX << MPSMAX_SHIFT);
        registers = RegisterSet.of(
                REG_SIZE,
                Register.at(REG_CAP, 8, "CAP").reset(capabilities),
                Register.at(REG_VS, 4, "VS").reset(VS_2_0),
                Register.at(REG_INTMS, 4, "INTMS")
                        .computed(interruptMask::get)
                        .writable()
                        .onWrite(value -> mask((int) value, (mask, ones) -> mask | ones)),
                Register.at(REG_INTMC, 4, "INTMC")
                        .computed(interruptMask::get)
                        .writeOneToClear(-1)
                        .onWrite(value -> mask((int) value, (mask, left) -> mask & left)),
                Register.at(REG_CC, 4, "CC")
                        .computed(() -> configuration)
                        .writable(CC_WRITABLE)
                        .onWrite(value -> configure((int) value)),
                Register.at(REG_CSTS, 4, "CSTS").computed(this::reported),
                Register.at(REG_AQA, 4, "AQA")
                        .computed(() -> adminAttributes)
                        .writable(0x0fff_0fff)
                        .onWrite(value -> adminAttributes = (int) value),
                Register.at(REG_ASQ, 8, "ASQ")
                        .computed(() -> adminSubmission)
                        .writable(-1L << 12)
                        .onWrite(value -> adminSubmission = value),
                Register.at(REG_ACQ, 8, "ACQ")
                        .computed(() -> adminCompletion)
                        .writable(-1L << 12)
                        .onWrite(value -> adminCompletion = value),
                // CRWMT: its namespaces are there as soon as it is ready.
                Register.at(REG_CRTO, 4, "CRTO").reset(TIMEOUT));
    }

    int cc() {
        return configuration;
    }

    /** Bytes of a memory page, which CC.MPS says. */
    int pageBytes() {
        return 4096 << ((configuration >>> CC_MPS_SHIFT) & CC_MPS_MASK);
    }

    /** Whether CC says nothing that the controller cannot do. */
    boolean isLegal() {
        int cc = configuration;
        return ((cc >>> CC_CSS_SHIFT) & CC_CSS_MASK) == 0
                && ((cc >>> CC_AMS_SHIFT) & CC_AMS_MASK) == 0
                && ((cc >>> CC_MPS_SHIFT) & CC_MPS_MASK) <= MPSMAX;
    }

    int adminAttributes() {
        return adminAttributes;
    }

    long adminSubmission() {
        return adminSubmission;
    }

    long adminCompletion() {
        return adminCompletion;
    }

    /** The bits of vectors that pin-based interrupts do not report. */
    int interruptMask() {
        return interruptMask.get();
    }

    int status() {
        return status.get();
    }

    /** CSTS as the driver reads it: fatal is also what has not followed CC.EN in the time that CAP.TO says, until it does. */
    private int reported() {
        int csts = status.get();
        boolean follows = ((csts & CSTS_RDY) != 0) == ((configuration & CC_EN) != 0);
        return follows || nanoTime.getAsLong() - enableChangedNs <= TIMEOUT_NS ? csts : csts | CSTS_CFS;
    }

    boolean isReady() {
        return (status.get() & (CSTS_RDY | CSTS_CFS)) == CSTS_RDY;
    }

    void setStatus(int csts) {
        status.set(csts);
    }

    void addStatus(int bits) {
        status.getAndUpdate(csts -> csts | bits);
    }

    void setShutdownStatus(int shst) {
        status.getAndUpdate(csts -> (csts & ~CSTS_SHST_MASK) | shst);
    }

    /** After a controller reset: the registers of the admin queues and CC stay as they are. */
    void controllerReset() {
        interruptMask.set(0);
        status.set(0);
    }

    /** As after power-on. */
    void reset() {
        controllerReset();
        configuration = 0;
        adminAttributes = 0;
        adminSubmission = 0;
        adminCompletion = 0;
    }

    /** As after power-on, but for what commands under way stand on, and CSTS, which says when they are over. */
    void initiateReset() {
        enableChangedNs = nanoTime.getAsLong();
        configuration &= CC_FIXED;
        adminAttributes = 0;
        adminSubmission = 0;
        adminCompletion = 0;
    }

    /** Another controller's registers; CSTS is said apart. */
    void load(int cc, int aqa, long asq, long acq, int mask) {
        enableChangedNs = nanoTime.getAsLong();
        configuration = cc;
        adminAttributes = aqa;
        adminSubmission = asq;
        adminCompletion = acq;
        interruptMask.set(mask);
    }

    @Override
    public long read(long offset, int width) {
        return offset < REG_SIZE ? registers.read(offset, width) : 0;
    }

    @Override
    public void write(long offset, int width, long value) {
        if (offset < REG_SIZE) {
            registers.write(offset, width, value);
        }
    }

    /** A reset may clear the mask meanwhile, by another thread: what that has cleared stays so. */
    private void mask(int value, IntBinaryOperator by) {
        interruptMask.accumulateAndGet(value, by);
        effects.interruptMaskChanged();
    }

    private void configure(int value) {
        int before = configuration;
        int kept = before & value & CC_EN;
        // Base 3.1.3.5: these are not changed while EN is 1, and queues and data stand on them.
        int after = kept == 0 ? value : (value & ~CC_FIXED) | (before & CC_FIXED);
        int changed = before ^ after;
        if ((changed & CC_EN) != 0) {
            enableChangedNs = nanoTime.getAsLong();
        }
        configuration = after;
        if ((changed & CC_EN) != 0) {
            if ((value & CC_EN) != 0) {
                effects.enable();
            } else {
                effects.disable();
            }
        }
        int shutdown = CC_SHN_MASK << CC_SHN_SHIFT;
        if ((changed & shutdown) != 0 && (value & shutdown) != 0) {
            effects.shutdown();
        }
    }
}
