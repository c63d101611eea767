package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.vfio4j.testkit.BusyMachine;

/** When what was too slow may be tried again. */
class BusyMachineTest {

    private static final String FAILURE = "take over: ETIMEDOUT";

    @Test
    void aMachineThatHasTimeIsNoExcuse() {
        assertThatThrownBy(() -> BusyMachine.excuse(FAILURE, OptionalDouble.of(0)))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("not busy, at a pressure of 0 %: " + FAILURE);
    }

    @Test
    void aBusyOneIs() {
        assertThatCode(() -> BusyMachine.excuse("a test of excuses", OptionalDouble.of(90)))
                .doesNotThrowAnyException();
        assertThatCode(() -> BusyMachine.excuse("a test of excuses", OptionalDouble.empty()))
                .doesNotThrowAnyException();
    }
}
