package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioPci.*;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.vfio4j.bus.BarNotification;
import org.vfio4j.bus.PciBar;
import org.vfio4j.devicemodel.BarHandler;
import org.vfio4j.devicemodel.Capability;
import org.vfio4j.devicemodel.Register;

/**
 * The BAR with all structures of a virtio function, and the capabilities that say where they are (Virtual I/O Device 1.2, 4.1.4). Each is in a
 * page of its own, at the places where SPDK's driver looks for them without asking:
 *
 * <pre>
 *   0x0000  common configuration     0x2000  device-specific configuration
 *   0x1000  ISR status               0x3000  notifications, 4 bytes for each queue
 * </pre>
 *
 * <p>Belongs to the function's thread.
 */
final class VirtioBar implements BarHandler {

    static final int INDEX = 4;

    private static final int PAGE = 0x1000;
    static final int SIZE_BYTES = 4 * PAGE;
    private static final int COMMON_PAGE = 0;
    private static final int ISR_PAGE = 1;
    private static final int DEVICE_PAGE = 2;
    private static final int NOTIFY_PAGE = 3;
    private static final int NOTIFY_MULTIPLIER = 4;

    private final CommonConfig common;
    private final VirtioInterrupts interrupts;
    private final BarHandler deviceConfig;
    private final IntConsumer driverNotified;
    private final Runnable changed;

    /**
     * @param driverNotified takes the number of the queue that the driver has written to; also called by whoever watches the driver's eventfds
     * @param changed run when the driver has written to a register
     */
    VirtioBar(
            CommonConfig common,
            VirtioInterrupts interrupts,
            BarHandler deviceConfig,
            IntConsumer driverNotified,
            Runnable changed) {
        this.common = common;
        this.interrupts = interrupts;
        this.deviceConfig = deviceConfig;
        this.driverNotified = driverNotified;
        this.changed = changed;
    }

    static PciBar bar() {
        return new PciBar(INDEX, SIZE_BYTES, PciBar.Kind.MEM64, true);
    }

    /** Where the structures are. */
    static List<Capability> capabilities() {
        return List.of(
                structure(VIRTIO_PCI_CAP_COMMON_CFG, COMMON_PAGE, VIRTIO_PCI_CAP_SIZE),
                structure(VIRTIO_PCI_CAP_ISR_CFG, ISR_PAGE, VIRTIO_PCI_CAP_SIZE),
                structure(VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_PAGE, VIRTIO_PCI_CAP_SIZE),
                structure(VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_PAGE, VIRTIO_PCI_CAP_SIZE + 4));
    }

    private static Capability structure(int type, int page, int sizeBytes) {
        return Capability.vendorSpecific(sizeBytes, at -> {
            List<Register> registers = new ArrayList<>(List.of(
                    Register.at(at + VIRTIO_PCI_CAP_LEN, 1, "cap_len").reset(sizeBytes),
                    Register.at(at + VIRTIO_PCI_CAP_CFG_TYPE, 1, "cfg_type").reset(type),
                    Register.at(at + VIRTIO_PCI_CAP_BAR, 1, "bar").reset(INDEX),
                    Register.at(at + VIRTIO_PCI_CAP_OFFSET, 4, "offset").reset((long) page * PAGE),
                    Register.at(at + VIRTIO_PCI_CAP_LENGTH, 4, "length").reset(PAGE)));
            if (type == VIRTIO_PCI_CAP_NOTIFY_CFG) {
                registers.add(Register.at(at + VIRTIO_PCI_CAP_SIZE, 4, "notify_off_multiplier")
                        .reset(NOTIFY_MULTIPLIER));
            }
            return registers;
        });
    }

    /** The registers that only say that there is work. */
    List<BarNotification> notifications() {
        return IntStream.range(0, common.queueCount())
                .mapToObj(queue -> new BarNotification(
                        (long) NOTIFY_PAGE * PAGE + (long) NOTIFY_MULTIPLIER * queue,
                        Short.BYTES,
                        () -> driverNotified.accept(queue)))
                .toList();
    }

    @Override
    public long read(long offset, int width) {
        return switch ((int) (offset / PAGE)) {
            case COMMON_PAGE -> common.read(offset, width);
            case ISR_PAGE -> offset == ISR_PAGE * PAGE ? interrupts.readIsr() : 0;
            case DEVICE_PAGE -> deviceConfig.read(offset % PAGE, width);
            default -> 0;
        };
    }

    @Override
    public void write(long offset, int width, long value) {
        switch ((int) (offset / PAGE)) {
            case COMMON_PAGE -> {
                common.write(offset, width, value);
                changed.run();
            }
            case DEVICE_PAGE -> {
                if (!common.isResetting()) {
                    deviceConfig.write(offset % PAGE, width, value);
                }
                changed.run();
            }
            case NOTIFY_PAGE -> driverNotifies((int) (offset % PAGE));
            default -> {}
        }
    }

    private void driverNotifies(int offset) {
        if (offset < NOTIFY_MULTIPLIER * common.queueCount()) {
            driverNotified.accept(offset / NOTIFY_MULTIPLIER);
        }
    }
}
