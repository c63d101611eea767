package org.vfio4j.vfiopcicore;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.vfiopcicore.Refusals.assertErrno;

import org.junit.jupiter.api.Test;

/** A register that an extension takes from the function and gives to the user. */
class VirtualizeConfigTest {

    private static final int REGISTER = 0xfc;

    private final FakePciFunction function = FakePciFunction.disk();

    @Test
    void refusesWhatIsNoRegisterBehindTheHeader() {
        VfioPciCore core = new VfioPciCore("test", function);
        assertErrno(EINVAL, () -> core.virtualizeConfig(0x3c));
        assertErrno(EINVAL, () -> core.virtualizeConfig(0xfe));
        assertErrno(EINVAL, () -> core.virtualizeConfig(4096));
    }

    @Test
    void theUserHasItAndTheFunctionKeepsItsOwn() {
        function.set(REGISTER, 4, 0x7a00_0000);
        function.mask(REGISTER, 4, -1);
        function.done();
        try (OpenCore disk = new OpenCore(function, core -> core.virtualizeConfig(REGISTER))) {
            assertThat(disk.config(REGISTER, 4)).isEqualTo(0x7a00_0000);
            disk.config(REGISTER, 2, 0x1234);
            assertThat(disk.config(REGISTER, 4)).isEqualTo(0x7a00_1234);
            assertThat(function.configRead(REGISTER, 4)).isEqualTo(0x7a00_0000);
        }
    }
}
