package org.vfio4j.vfiopcis390;

import java.nio.charset.Charset;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.Queue;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.uapi.VfioZdev;
import org.vfio4j.vfiopci.testing.PassiveDevice;

/** A function of an s390 machine, and what the machine says of it. */
final class EmulatedZpci implements ZpciData {

    static final Charset EBCDIC = Charset.forName("IBM1047");
    static final int CCDF_BYTES = 32;

    final Queue<byte[]> errors = new ArrayDeque<>();
    private final Optional<String> name;

    /** @param name its utility string */
    EmulatedZpci(Optional<String> name) {
        this.name = name;
    }

    PciFunction pciFunction() {
        return builder().platform(ZpciData.class, this).build(new PassiveDevice());
    }

    /** A function of which the machine says nothing. */
    static PciFunction plainFunction() {
        return builder().build(new PassiveDevice());
    }

    private static EmulatedFunctionBuilder builder() {
        return new EmulatedFunctionBuilder(0x15b3, 0x1016)
                .classCode(0x020000, 0)
                .pciExpress();
    }

    @Override
    public ZpciFunction function() {
        return new ZpciFunction(
                0x1_0000_0000L, 0x1ff_ffff_ffffL, 0x01c4, 0xfffe, 128, 2, 0x81, 0x8123_4567, CCDF_BYTES);
    }

    @Override
    public ZpciGroup group() {
        return new ZpciGroup(
                0x8000_0000_0000_0001L,
                0xfee0_0000L,
                VfioZdev.VFIO_DEVICE_INFO_ZPCI_FLAG_REFRESH,
                4000,
                2048,
                128,
                1,
                0xff00);
    }

    @Override
    public Optional<byte[]> utilityString() {
        return name.map(text -> String.format("%-64s", text).getBytes(EBCDIC));
    }

    @Override
    public byte[] functionPath() {
        return new byte[] {0x10, 0x20, 0x30, (byte) 0xf0};
    }

    @Override
    public Optional<byte[]> takeError() {
        return Optional.ofNullable(errors.poll());
    }
}
