package org.vfio4j.i40evf;

import static org.vfio4j.sys.Errno.EBUSY;

import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.PciBar;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.DeviceModel;
import org.vfio4j.devicemodel.EmulatedFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.QueueThread;
import org.vfio4j.i40e.I40eRing;
import org.vfio4j.i40e.I40eVfControl;
import org.vfio4j.sys.ErrnoException;

/**
 * A network interface: a virtual function of Intel's X700 family (8086:154c), as Linux's {@code iavf} and DPDK's driver of the
 * same name know it. There is no physical function: what it would answer, this answers. Called by the function's thread.
 *
 * <p>Checksums and TCP segmentation are done; VLANs, hashing over several receive queues and flow rules are refused.
 *
 * <p>For a migration the function can be quiesced, and then its state saved, or another's loaded. What its driver had given it to
 * send is then either at its receiver or still in the driver's ring, and what others send to it waits in theirs.
 */
public final class I40eVf implements DeviceModel, AutoCloseable {

    public static final int PCI_VENDOR_ID_INTEL = 0x8086;
    public static final int PCI_DEVICE_ID_I40E_VF = 0x154c;

    /** The most queue pairs that a function can have. */
    public static final int MAX_QUEUE_PAIRS = VfRegisters.MAX_QUEUES;

    /** Where MSI-X table and pending bits are; the registers are in BAR 0. */
    public static final int MSIX_BAR = 3;

    private static final int REGISTER_BAR = 0;
    private static final int CLASS_NETWORK_ETHERNET = 0x020000;
    private static final int REVISION = 2;

    /** How long the disabling of an admin queue waits for the queue thread, which may itself wait for the driver. */
    private static final long DISABLE_WAIT_NS = 10_000_000;

    private final NetworkPort port;
    private final NetworkPort.Holder holder = this::portReady;
    private final Optional<TailPages> pages;
    private final EmulatedFunction function;
    private final GuestDma dma = new GuestDma();
    private final VfCounters counters = new VfCounters();
    private final VfConfig config;
    private final VfInterrupts interrupts;
    private final VfRegisters registers;
    private final AdminQueue admin;
    private final VfWork work;
    private final QueueThread thread;
    private volatile List<I40eRing> rings = List.of();

    private I40eVf(Builder parts) {
        port = parts.port;
        pages = parts.mappable ? Optional.of(new TailPages()) : Optional.empty();
        int pairs = parts.queuePairs;
        EmulatedFunctionBuilder builder = new EmulatedFunctionBuilder(PCI_VENDOR_ID_INTEL, PCI_DEVICE_ID_I40E_VF)
                .subsystem(PCI_VENDOR_ID_INTEL, 0)
                .classCode(CLASS_NETWORK_ETHERNET, REVISION)
                .bar(new PciBar(REGISTER_BAR, VfRegs.BAR_BYTES, PciBar.Kind.MEM64, true), new RegisterBar())
                .msix(pairs + 1, MSIX_BAR)
                .powerManagement()
                .pciExpress()
                .platform(I40eVfControl.class, new VfControl(this));
        pages.ifPresent(memory -> builder.barMemory(REGISTER_BAR, memory::memory));
        function = builder.build(this);
        interrupts = new VfInterrupts(function.interrupts(), pairs + 1);
        registers = new VfRegisters(
                interrupts, new Doorbells(), pages.map(TailPages::address).orElse(0L));
        config = new VfConfig(pairs, parts.macAddress, dma, counters);
        admin = new AdminQueue(registers, config, new VirtchnlPf(config, counters, new Requests()), dma, counters);
        work = new VfWork(parts.name, registers, interrupts, config, admin, counters, port, holder, pages.isPresent());
        thread = new QueueThread(parts.name, work, parts.polling);
    }

    /** A function at an end of a link. */
    public static Builder builder(NetworkPort port) {
        return new Builder(port);
    }

    public PciFunction function() {
        return function;
    }

    /** What the function has counted since its last reset. */
    public VfStatistics statistics() {
        return VfStatistics.of(counters, interrupts.sentCount());
    }

    /** The rings that the driver has started: which memory the function may write to. From any thread. */
    public List<I40eRing> rings() {
        return rings;
    }

    /**
     * Stops the function: returns when it does no DMA and sends no interrupts of its own. Registers can still be read and
     * written; doorbells take effect when it goes on. What others send to it waits in their rings, for as long as it takes.
     */
    public void quiesce() {
        work.stop();
        thread.callQuiesced(work::takeArrived);
    }

    /**
     * Lets the function go on; if its state was loaded, it has taken over its port from the function that had it when this
     * returns, and what becomes of that one is of no matter any more.
     */
    public void resume() {
        thread.callQuiesced(work::takeOver);
        work.start();
        interrupts.deliverAll();
        thread.wake();
    }

    public boolean isQuiesced() {
        return work.isQuiesced();
    }

    /**
     * The function's state, without configuration space and MSI-X table.
     *
     * @throws ErrnoException EBUSY when it is not quiesced
     */
    public byte[] save() {
        requireQuiesced("save");
        VfState[] taken = new VfState[1];
        thread.callQuiesced(() -> taken[0] = VfState.take(registers, interrupts, config, counters, work.backlog()));
        return taken[0].toBytes();
    }

    /**
     * Takes on the state that {@link #save} gave, of this or of another function.
     *
     * @throws ErrnoException EBUSY when the function is not quiesced; EINVAL with the reason when the bytes are no such state, or
     *     one of another version, or of a function with other queue pairs. The function is then as before
     */
    public void load(byte[] saved) {
        requireQuiesced("load");
        VfState state = VfState.parse(saved, config.queuePairs);
        thread.callQuiesced(() -> {
            state.put(registers, interrupts, config, counters, work.backlog());
            rings = config.rings();
        });
    }

    @Override
    public void attachDma(DmaSpace space) {
        thread.attach(space);
        wakeIfInUse();
    }

    @Override
    public void detachDma() {
        thread.callQuiesced(this::unplug);
        thread.detach();
    }

    @Override
    public void busMasterChanged(boolean enabled) {
        work.setBusMaster(enabled);
        if (enabled) {
            wakeIfInUse();
        } else {
            thread.runQuiesced(this::unplug);
        }
    }

    @Override
    public void reset() {
        thread.callQuiesced(() -> {
            resetFunction();
            counters.reset();
            work.start();
        });
    }

    /** Ends the function's thread, and leaves the link. The function must not be used any more. */
    @Override
    public void close() {
        thread.callQuiesced(this::resetFunction);
        thread.close();
        dma.close();
        pages.ifPresent(TailPages::close);
    }

    private void requireQuiesced(String what) {
        if (!work.isQuiesced()) {
            throw new ErrnoException(EBUSY, what + " the state of a function that is not quiesced");
        }
    }

    /** A function that nobody uses needs no thread. */
    private void wakeIfInUse() {
        if (!rings.isEmpty() || (registers.get(VfRegs.VF_ATQLEN1) & VfRegs.AQ_LEN_ENABLE) != 0) {
            thread.wake();
        }
    }

    private void portReady() {
        thread.wake();
    }

    /** What is not being migrated and cannot receive has no cable: senders lose what they send instead of waiting for ever. */
    private void unplug() {
        if (!work.isQuiesced()) {
            port.leave(holder);
        }
    }

    /** While the queue thread is quiesced, or on it. */
    private void resetFunction() {
        config.reset();
        rings = List.of();
        registers.reset();
        interrupts.reset();
        admin.reset();
        work.reset();
    }

    /** BAR 0. */
    private final class RegisterBar implements BarHandler {

        @Override
        public long read(long offset, int width) {
            return registers.read(offset, width);
        }

        @Override
        public void write(long offset, int width, long value) {
            registers.write(offset, width, value);
        }
    }

    private final class Doorbells implements VfRegisters.Effects {

        @Override
        public void doorbell() {
            thread.wake();
        }

        @Override
        public void adminQueueEnds() {
            thread.runQuiesced(() -> {}, DISABLE_WAIT_NS);
        }
    }

    /** What messages ask for, on the queue thread. */
    private final class Requests implements VirtchnlPf.Effects {

        @Override
        public void resetWanted() {
            resetFunction();
        }

        @Override
        public void queuesChanged() {
            rings = config.rings();
        }

        @Override
        public void filtersChanged() {
            port.setFilters(holder, config.filters);
        }
    }

    /** What a function is made of. */
    public static final class Builder {

        private static final Pattern MAC_ADDRESS = Pattern.compile("[0-9a-f]{2}(:[0-9a-f]{2}){5}");
        private static final int DEFAULT_QUEUE_PAIRS = 4;

        private final NetworkPort port;
        private String name = "i40e-vf";
        private long macAddress = 0x0100_0000_0002L;
        private int queuePairs = DEFAULT_QUEUE_PAIRS;
        private QueuePolling polling = QueuePolling.ADAPTIVE;
        private boolean mappable;

        private Builder(NetworkPort port) {
            this.port = port;
        }

        /** What its thread is called. */
        public Builder name(String text) {
            name = text;
            return this;
        }

        /**
         * The address that the function offers its driver.
         *
         * @throws IllegalArgumentException when it is not written as 02:00:00:00:00:01 is, or is no station's
         */
        public Builder macAddress(String text) {
            String small = text.toLowerCase(Locale.ROOT);
            if (!MAC_ADDRESS.matcher(small).matches()) {
                throw new IllegalArgumentException("MAC address '" + text + "': not six bytes as in 02:00:00:00:00:01");
            }
            long address = Long.reverseBytes(HexFormat.fromHexDigitsToLong(small.replace(":", ""))) >>> Short.SIZE;
            if (!MacFilters.isValid(address) || MacFilters.isMulticast(address)) {
                throw new IllegalArgumentException("MAC address '" + text + "': no station's");
            }
            macAddress = address;
            return this;
        }

        /** @throws IllegalArgumentException when it is not 1 to {@link #MAX_QUEUE_PAIRS} */
        public Builder queuePairs(int count) {
            if (count < 1 || count > MAX_QUEUE_PAIRS) {
                throw new IllegalArgumentException(count + " queue pairs: the limits are 1 and " + MAX_QUEUE_PAIRS);
            }
            queuePairs = count;
            return this;
        }

        public Builder poll(QueuePolling how) {
            polling = how;
            return this;
        }

        /**
         * Users may map the pages of the tail registers, whose writes then nobody sees: the queue thread looks at them once in a
         * millisecond while there is nothing else to do, for as long as queues are started.
         */
        public Builder mappableTails() {
            mappable = true;
            return this;
        }

        public I40eVf build() {
            return new I40eVf(this);
        }
    }
}
