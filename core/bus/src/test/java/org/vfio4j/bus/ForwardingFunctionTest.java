package org.vfio4j.bus;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.Method;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Otherwise what a new method of functions does by default would get lost on the way to the function behind. */
class ForwardingFunctionTest {

    @Test
    void allThatAFunctionHasIsForwarded() {
        assertThat(PciFunction.class.getDeclaredMethods())
                .isNotEmpty()
                .allSatisfy(method ->
                        assertThat(isDeclared(method)).as("%s", method).isTrue());
    }

    private static boolean isDeclared(Method method) {
        return Arrays.stream(ForwardingFunction.class.getDeclaredMethods())
                .anyMatch(own -> own.isDefault()
                        && own.getName().equals(method.getName())
                        && Arrays.equals(own.getParameterTypes(), method.getParameterTypes()));
    }
}
