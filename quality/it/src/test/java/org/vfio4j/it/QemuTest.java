package org.vfio4j.it;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.ExtensionContext;

/** The tests of this class boot guests in QEMU: they run with {@code -Dqemu} and are loudly skipped without. */
@Tag("qemu")
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(QemuTest.WhenAsked.class)
@interface QemuTest {

    final class WhenAsked implements ExecutionCondition {
        private static final String SKIPPED = "SKIPPED: the tests with QEMU guests; run them with: mvn verify -Dqemu";
        private static final AtomicBoolean SAID = new AtomicBoolean();

        @Override
        public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
            String asked = System.getProperty("qemu", "false");
            if (asked.isEmpty() || asked.equals("true")) {
                return ConditionEvaluationResult.enabled("-Dqemu");
            }
            if (SAID.compareAndSet(false, true)) {
                System.err.println("[WARNING] " + SKIPPED);
            }
            return ConditionEvaluationResult.disabled(SKIPPED);
        }
    }
}
