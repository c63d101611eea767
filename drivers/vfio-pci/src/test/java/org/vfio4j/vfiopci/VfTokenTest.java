package org.vfio4j.vfiopci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_PCI_VF_TOKEN;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_PROBE;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.vfiopci.TestMachine.assertErrno;
import static org.vfio4j.vfiopci.TestMachine.virtual;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.bus.PciDriver;
import org.vfio4j.sys.Errno;
import org.vfio4j.vfio.LocalDeviceFile;

/** VF tokens: the users of a physical function and of its virtual functions show each other that they are together. */
class VfTokenTest {

    private static final String TOKEN = " vf_token=bd8d9d2b-5a5f-4f5a-a211-f591514ba1f3";
    private static final String OTHER = " vf_token=00000000-0000-0000-0000-000000000001";
    private static final String PF = "0000:04:00.0";
    private static final String VF = "0000:04:10.0";

    private final TestMachine machine = new TestMachine("enable_sriov");
    private final PciDevice physical = machine.physical();

    private LocalDeviceFile open(String text) {
        return machine.registry.open(text);
    }

    private void enable() {
        machine.bus.setNumVfs(physical, 2);
    }

    @Test
    void aVirtualFunctionNeedsTheToken() {
        enable();
        LocalDeviceFile pf = open(PF + TOKEN);
        assertErrno(Errno.EACCES, () -> open(VF));
        assertErrno(Errno.EACCES, () -> open(VF + OTHER));
        open(VF + TOKEN).close();
        pf.close();
    }

    @Test
    void nobodyKnowsTheTokenBeforeItIsSet() {
        enable();
        assertErrno(Errno.EACCES, () -> open(VF));
        assertErrno(Errno.EACCES, () -> open(VF + TOKEN));
        open(PF).close(); // which sets none
        assertErrno(Errno.EACCES, () -> open(VF + TOKEN));
    }

    @Test
    void aPhysicalFunctionWithUsersOfVirtualOnesNeedsItToo() {
        enable();
        open(PF + TOKEN).close();
        LocalDeviceFile vf = open(VF + TOKEN);
        assertErrno(Errno.EACCES, () -> open(PF));
        assertErrno(Errno.EACCES, () -> open(PF + OTHER));
        open(PF + TOKEN).close();
        assertErrno(Errno.EACCES, () -> open("0000:04:10.1" + OTHER));
        vf.close();
        open(PF).close();
        open(PF + OTHER).close();
        open(VF + OTHER).close();
    }

    @Test
    void theTokenOutlivesThePhysicalFunctionsUser() {
        enable();
        open(PF + TOKEN).close();
        open(VF + TOKEN).close();
        assertErrno(Errno.EACCES, () -> open(VF + OTHER));
    }

    @Test
    void aTokenThatIsOfNoUseIsRefused() {
        machine.plain("05:00.0");
        assertErrno(Errno.EINVAL, () -> open("0000:05:00.0" + TOKEN));
        machine.bus.unbind(physical);
        Native driver = new Native();
        machine.bus.setDriverOverride(physical, Optional.of(driver.name()));
        machine.bus.register(driver);
        machine.bus.enableSriov(physical, 1, Optional.of("vfio-pci"));
        assertErrno(Errno.EINVAL, () -> open(VF + TOKEN));
        open(VF).close(); // the kernel's driver has the physical function and is trusted
    }

    @Test
    void optionsAreRead() {
        enable();
        open(PF + TOKEN).close();
        assertErrno(Errno.EINVAL, () -> open(VF + TOKEN + TOKEN));
        assertErrno(Errno.EINVAL, () -> open(VF + " token=1"));
    }

    @Test
    void theFeatureSetsTheTokenAndNobodyReadsIt() {
        enable();
        try (LocalDeviceFile pf = open(PF)) {
            byte[] uuid = new byte[16];
            for (int i = 0; i < 16; i++) {
                uuid[i] = (byte) (i * 0x11);
            }
            MemorySegment data = MemorySegment.ofArray(uuid);
            int token = VFIO_DEVICE_FEATURE_PCI_VF_TOKEN;
            assertErrno(Errno.EINVAL, () -> pf.feature(token | VFIO_DEVICE_FEATURE_GET, data));
            assertErrno(Errno.EINVAL, () -> pf.feature(token | VFIO_DEVICE_FEATURE_SET, data.asSlice(0, 15)));
            assertThat(pf.feature(token | VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PROBE, data))
                    .isZero();
            pf.feature(token | VFIO_DEVICE_FEATURE_SET, data);
            machine.registry
                    .device(virtualName(0))
                    .open(Optional.of(UUID.fromString("00112233-4455-6677-8899-aabbccddeeff")))
                    .close();
        }
    }

    @Test
    void theFeatureIsThePhysicalFunctionsAlone() {
        enable();
        int set = VFIO_DEVICE_FEATURE_PCI_VF_TOKEN | VFIO_DEVICE_FEATURE_SET;
        MemorySegment data = MemorySegment.ofArray(new byte[16]);
        open(PF + TOKEN).close();
        try (LocalDeviceFile vf = open(VF + TOKEN)) {
            assertErrno(Errno.ENOTTY, () -> vf.feature(set, data));
        }
        machine.plain("05:00.0");
        try (LocalDeviceFile plain = open("0000:05:00.0")) {
            assertErrno(Errno.ENOTTY, () -> plain.feature(set, data));
        }
    }

    private String virtualName(int index) {
        String parent = virtual(physical, index).toString();
        return machine.registry.devices().stream()
                .filter(device -> device.parentName().equals(parent))
                .findFirst()
                .orElseThrow()
                .name();
    }

    /** A driver that is no VFIO driver. */
    static final class Native implements PciDriver {

        @Override
        public String name() {
            return "native";
        }

        @Override
        public List<PciDeviceId> idTable() {
            return List.of(PciDeviceId.of(TestMachine.VENDOR, TestMachine.PF_DEVICE));
        }

        @Override
        public void probe(PciDevice device) {}

        @Override
        public void remove(PciDevice device) {
            if (device.sriov().isPresent()) {
                device.bus().disableSriov(device, PciBus.FOREVER);
            }
        }
    }
}
