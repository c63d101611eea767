package org.vfio4j.fuzz;

import static org.vfio4j.avfdriver.AvfDriver.ATQT;
import static org.vfio4j.avfdriver.AvfDriver.OP_GET_STATS;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MASTER;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;

import java.util.Arrays;
import java.util.List;
import org.vfio4j.avfdriver.AvfDriver;
import org.vfio4j.avfdriver.AvfRegisters;
import org.vfio4j.avfdriver.AvfRing;
import org.vfio4j.i40evf.I40eVf;
import org.vfio4j.i40evf.NetworkLink;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.GuestMemory;

/** The state of a network interface, as it comes from another server: what its migration stream carries. */
final class NicStateTarget implements FuzzTarget {

    private static final long GUEST_BYTES = 1 << 20;
    private static final int ADMIN_ENTRIES = 32;
    private static final int RING_ENTRIES = 32;
    private static final int BUFFER_BYTES = 2048;
    private static final int TAILS = 64;

    private final GuestMemory memory = new GuestMemory(GUEST_BYTES);
    private final I40eVf nic = I40eVf.builder(new NetworkLink().addPort())
            .macAddress("02:00:00:00:00:01")
            .build();
    private final AvfDriver driver = new AvfDriver(AvfRegisters.of(nic.function()), memory);
    private final byte[] started;

    NicStateTarget() {
        nic.function().attachDma(memory.space());
        enable();
        driver.openAdminQueues(ADMIN_ENTRIES);
        driver.negotiate();
        driver.start(
                AvfRing.transmit(driver, 0, RING_ENTRIES, BUFFER_BYTES),
                AvfRing.receive(driver, 0, RING_ENTRIES, BUFFER_BYTES));
        driver.awaitEvent();
        nic.quiesce();
        started = nic.save();
    }

    @Override
    public List<byte[]> corpus() {
        nic.function().reset();
        nic.quiesce();
        return List.of(started, nic.save());
    }

    /** Loads a state and, when it is taken, lets the function run with it and saves it again. */
    @Override
    public long run(byte[] input) {
        nic.quiesce();
        try {
            nic.load(input);
        } catch (ErrnoException e) {
            return ("" + e.getMessage()).replaceAll("[^a-z]", "").hashCode();
        }
        nic.resume();
        for (int offset : new int[] {0, ATQT}) {
            nic.function().barWrite(0, offset, 4, input.length == 0 ? 0 : input[0] & (TAILS - 1));
        }
        nic.quiesce();
        return Arrays.hashCode(nic.save());
    }

    @Override
    public void checkWorks() {
        nic.quiesce();
        nic.load(started);
        nic.resume();
        nic.function().reset();
        enable();
        driver.openAdminQueues(ADMIN_ENTRIES);
        driver.negotiate();
        if (driver.request(OP_GET_STATS, AvfDriver.select(0, 0)).status() != AvfDriver.SUCCESS) {
            throw new AssertionError("the function answers no driver any more");
        }
    }

    @Override
    public void close() {
        nic.function().detachDma();
        nic.close();
        memory.close();
    }

    private void enable() {
        nic.function().configWrite(PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
    }
}
