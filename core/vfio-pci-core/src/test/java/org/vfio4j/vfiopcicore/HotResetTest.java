package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EBADF;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENODEV;
import static org.vfio4j.vfiopcicore.Refusals.assertErrno;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopcicore.VfioPciHotReset.Dependent;

/** VFIO_DEVICE_GET_PCI_HOT_RESET_INFO and VFIO_DEVICE_PCI_HOT_RESET. */
class HotResetTest {

    private final PciBus bus = new PciBus();
    private final VfioRegistry registry = new VfioRegistry();
    private final VfioPciHotReset hotReset = new VfioPciHotReset(bus);
    private final List<LocalDeviceFile> files = new ArrayList<>();

    private final FakePciFunction second = FakePciFunction.disk();
    private final FakePciFunction elsewhere = FakePciFunction.disk();
    private final LocalDeviceFile first = open("0000:08:01.0", FakePciFunction.disk());

    @AfterEach
    void close() {
        files.forEach(LocalDeviceFile::close);
    }

    @Test
    void aFunctionOfTheRootBusHasNone() {
        LocalDeviceFile root = open("0000:00:02.0", FakePciFunction.disk());
        assertErrno(ENODEV, () -> hotReset.info(root, List.of()));
        assertErrno(ENODEV, () -> hotReset.reset(root, List.of()));
    }

    @Test
    void aDeviceOfAnotherMachineHasNone() {
        VfioPciHotReset other = new VfioPciHotReset(new PciBus());
        assertErrno(ENODEV, () -> other.info(first, List.of()));
    }

    @Test
    void refusedWhileAnyFunctionIsNotTheUsers() {
        bus.add(PciAddress.parse("0000:08:00.0"), second);
        assertErrno(EINVAL, () -> hotReset.reset(first, List.of()));
        assertThat(second.resets).isZero();
    }

    @Test
    void aClosedFileIsRefusedBeforeAnythingIsReset() {
        LocalDeviceFile other = open("0000:08:00.0", second);
        LocalDeviceFile closed = open("0000:08:02.0", elsewhere);
        int before = second.resets;
        closed.close();
        assertErrno(EBADF, () -> hotReset.reset(first, List.of(other, closed)));
        assertThat(second.resets).isEqualTo(before);
    }

    @Test
    void namesEveryFunctionOfTheBusAndWhoseItIs() {
        LocalDeviceFile mine = open("0000:08:00.1", second);
        bus.add(PciAddress.parse("0000:08:1f.7"), FakePciFunction.disk());
        open("0000:09:00.0", elsewhere);
        open("0001:08:00.0", FakePciFunction.disk());
        assertThat(hotReset.info(first, List.of(mine)))
                .extracting(Dependent::address)
                .extracting(PciAddress::toString)
                .containsExactly("0000:08:00.1", "0000:08:01.0", "0000:08:1f.7");
        assertThat(hotReset.info(first, List.of(mine)))
                .extracting(dependent -> dependent.file().isPresent())
                .containsExactly(true, true, false);
    }

    @Test
    void resetsAllOfThemOnceAndNobodyElse() {
        LocalDeviceFile other = open("0000:08:00.0", second);
        LocalDeviceFile neighbour = open("0000:09:00.0", elsewhere);
        int resets = second.resets;
        int resetsElsewhere = elsewhere.resets;
        hotReset.reset(first, List.of(other, neighbour));
        assertThat(second.resets).isEqualTo(resets + 1);
        assertThat(elsewhere.resets).isEqualTo(resetsElsewhere);
    }

    private LocalDeviceFile open(String address, FakePciFunction function) {
        PciDevice device = bus.add(PciAddress.parse(address), function);
        VfioDevice registered =
                registry.register(VfioPciCore.create("test", device), () -> () -> {}, device.toString());
        LocalDeviceFile file = registered.open();
        files.add(file);
        return file;
    }
}
