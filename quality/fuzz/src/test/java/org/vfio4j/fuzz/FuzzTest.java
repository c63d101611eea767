package org.vfio4j.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HexFormat;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Every target, briefly. {@code -Dfuzz.target=NAME} chooses one, {@code -Dfuzz.seconds} and {@code -Dfuzz.seed} how long and
 * which inputs, and {@code -Dfuzz.input=HEX} gives one input only.
 */
class FuzzTest {

    private static final double SECONDS = Double.parseDouble(System.getProperty("fuzz.seconds", "2"));
    private static final long SEED = Long.getLong("fuzz.seed", 1);

    @TestFactory
    Stream<DynamicTest> nothingButErrnosComesOf() {
        String input = System.getProperty("fuzz.input", "");
        return Stream.of(System.getProperty("fuzz.target", String.join(",", Targets.names()))
                        .split(","))
                .map(name -> DynamicTest.dynamicTest(name, () -> {
                    if (input.isEmpty()) {
                        fuzz(name);
                    } else {
                        Fuzzer.replay(name, HexFormat.of().parseHex(input));
                    }
                }));
    }

    private static void fuzz(String name) {
        Fuzzer.Result result = Fuzzer.fuzz(name, SEED, SECONDS);
        System.getLogger("fuzz")
                .log(
                        System.Logger.Level.INFO,
                        "{0}: {1} inputs, {2} outcomes",
                        name,
                        result.inputs(),
                        result.outcomes());
        // A target that answers everything alike decodes nothing.
        assertThat(result.inputs()).isGreaterThan(20);
        assertThat(result.outcomes()).isGreaterThan(2);
    }
}
