package org.vfio4j.i40evf;

import static org.vfio4j.i40evf.VfRegs.*;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.sys.RawMemory;

/**
 * BAR 0. Values are read and written by two threads, the function's and the queue thread, each register by itself; what a write
 * sets in motion is {@link Effects}. Registers have 4 bytes; narrower writes are ignored, as hardware does, and an access of 8
 * bytes is two.
 */
final class VfRegisters implements BarHandler {

    /** Queues and vectors for which there are registers, whether the function has so many or not. */
    static final int MAX_QUEUES = 16;

    /** What writes set in motion. Called by the function's thread. */
    interface Effects {

        /** There may be work for the queue thread. */
        void doorbell();

        /** An admin queue is about to be disabled: returns when nobody touches its memory, or soon after. */
        void adminQueueEnds();
    }

    /** The part of the BAR that begins with the transmit tails and ends behind the page of the receive tails. */
    static final int PAGES_BYTES = 0x3000;

    private static final int WIDTH = 4;

    /** First offset and number of registers of each array, in the order in which they are stored. */
    private static final int[][] ARRAYS = {
        {QTX_TAIL1, MAX_QUEUES},
        {QRX_TAIL1, MAX_QUEUES},
        {VFINT_ITRN1, 3 * MAX_QUEUES},
        {VFINT_DYN_CTLN1, MAX_QUEUES},
        {VFINT_ICR01, 1},
        {VFINT_ITR01, 3},
        {VFINT_ICR0_ENA1, 1},
        {VFINT_STAT_CTL01, 1},
        {VFINT_DYN_CTL01, 1},
        {VF_ARQBAH1, 1},
        {VF_ATQH1, 1},
        {VF_ATQLEN1, 1},
        {VF_ARQBAL1, 1},
        {VF_ARQT1, 1},
        {VF_ARQH1, 1},
        {VF_ATQBAH1, 1},
        {VF_ATQBAL1, 1},
        {VF_ARQLEN1, 1},
        {VF_ATQT1, 1},
        {VFGEN_RSTAT, 1},
        {VFQF_HENA, 2},
        {VFQF_HKEY, 13},
        {VFQF_HLUT, 16}
    };

    private static final int NONE = -1;
    private static final short[] INDEX_OF_WORD = new short[BAR_BYTES / WIDTH];
    private static final int[] REGISTERS = Stream.of(ARRAYS)
            .flatMapToInt(array -> IntStream.range(0, array[1]).map(i -> array[0] + WIDTH * i))
            .toArray();

    static {
        Arrays.fill(INDEX_OF_WORD, (short) NONE);
        for (int i = 0; i < REGISTERS.length; i++) {
            INDEX_OF_WORD[REGISTERS[i] / WIDTH] = (short) i;
        }
    }

    private final AtomicIntegerArray values = new AtomicIntegerArray(REGISTERS.length);
    private final VfInterrupts interrupts;
    private final Effects effects;
    private final long pages;

    /** @param pages address of {@link #PAGES_BYTES} where the first registers are, which users may map; 0 to keep all here */
    VfRegisters(VfInterrupts interrupts, Effects effects, long pages) {
        this.interrupts = interrupts;
        this.effects = effects;
        this.pages = pages;
        reset();
    }

    /** How many registers are stored. */
    static int count() {
        return REGISTERS.length;
    }

    /** A register, without side effects. */
    int get(int register) {
        if (pages != 0 && register < PAGES_BYTES) {
            return RawMemory.getIntAcquire(pages + register);
        }
        return values.get(INDEX_OF_WORD[register / WIDTH]);
    }

    void set(int register, int value) {
        if (pages != 0 && register < PAGES_BYTES) {
            RawMemory.putIntRelease(pages + register, value);
        } else {
            values.set(INDEX_OF_WORD[register / WIDTH], value);
        }
    }

    /** Sets causes of vector 0, and interrupts if the driver wants to hear of them. */
    void adminCause() {
        values.accumulateAndGet(INDEX_OF_WORD[VFINT_ICR01 / WIDTH], ICR0_ADMINQ, (a, b) -> a | b);
        deliverAdminCause();
    }

    /** As after power-on. The interrupts are not touched. */
    void reset() {
        for (int register : REGISTERS) {
            set(register, 0);
        }
        set(VFGEN_RSTAT, VFR_VFACTIVE);
    }

    /** The stored registers, one after the other as a migration saves them; controls of vectors read as zero here. */
    int[] save() {
        return IntStream.of(REGISTERS).map(this::get).toArray();
    }

    /** Whether {@link #save} could have said this. */
    static boolean isValid(int[] saved) {
        return saved.length == REGISTERS.length && saved[INDEX_OF_WORD[VFGEN_RSTAT / WIDTH]] == VFR_VFACTIVE;
    }

    void load(int[] saved) {
        for (int i = 0; i < saved.length; i++) {
            set(REGISTERS[i], saved[i]);
        }
    }

    @Override
    public long read(long offset, int width) {
        int word = (int) offset & -WIDTH;
        if (width == Long.BYTES) {
            return Integer.toUnsignedLong(readWord(word)) | ((long) readWord(word + WIDTH) << Integer.SIZE);
        }
        long value = Integer.toUnsignedLong(readWord(word));
        return width == WIDTH ? value : value >>> (Byte.SIZE * (offset - word)) & ((1L << (Byte.SIZE * width)) - 1);
    }

    @Override
    public void write(long offset, int width, long value) {
        if (width == WIDTH) {
            writeWord((int) offset, (int) value);
        } else if (width == Long.BYTES) {
            writeWord((int) offset, (int) value);
            writeWord((int) offset + WIDTH, (int) (value >>> Integer.SIZE));
        }
    }

    private int readWord(int offset) {
        if (INDEX_OF_WORD[offset / WIDTH] == NONE) {
            return 0;
        }
        if (isIn(offset, VFINT_DYN_CTLN1, MAX_QUEUES)) {
            int vector = 1 + (offset - VFINT_DYN_CTLN1) / WIDTH;
            return vector < interrupts.count() ? interrupts.control(vector) : 0;
        }
        return switch (offset) {
            case VFINT_DYN_CTL01 -> interrupts.control(0);
            case VFINT_ICR01 -> values.getAndSet(INDEX_OF_WORD[offset / WIDTH], 0);
            default -> get(offset);
        };
    }

    private void writeWord(int offset, int value) {
        if (INDEX_OF_WORD[offset / WIDTH] == NONE) {
            return;
        }
        if (isIn(offset, QTX_TAIL1, MAX_QUEUES)) {
            set(offset, value);
            effects.doorbell();
        } else if (isIn(offset, VFINT_DYN_CTLN1, MAX_QUEUES)) {
            int vector = 1 + (offset - VFINT_DYN_CTLN1) / WIDTH;
            if (vector < interrupts.count()) {
                interrupts.setControl(vector, value);
            }
        } else {
            writeSingle(offset, value);
        }
    }

    private void writeSingle(int offset, int value) {
        switch (offset) {
            case VFINT_DYN_CTL01 -> interrupts.setControl(0, value);
            case VFINT_ICR0_ENA1 -> {
                set(offset, value);
                deliverAdminCause();
            }
            case VF_ATQLEN1, VF_ARQLEN1 -> {
                boolean ends = (value & AQ_LEN_ENABLE) == 0 && (get(offset) & AQ_LEN_ENABLE) != 0;
                set(offset, value);
                if (ends) {
                    // The driver frees the queue's memory next.
                    effects.adminQueueEnds();
                }
            }
            case VF_ATQT1, VF_ARQT1 -> {
                set(offset, value);
                effects.doorbell();
            }
            case VFGEN_RSTAT, VFINT_ICR01 -> {}
            default -> set(offset, value);
        }
    }

    private void deliverAdminCause() {
        if ((get(VFINT_ICR01) & get(VFINT_ICR0_ENA1) & ICR0_ADMINQ) != 0) {
            interrupts.cause(0);
        }
    }

    private static boolean isIn(int offset, int first, int count) {
        return offset >= first && offset < first + WIDTH * count;
    }
}
