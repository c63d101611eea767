package org.vfio4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.vfio4j.cli.state.ServerDirectory;

/** The tests' servers meet no others. */
class RuntimeDirectoryTest {

    private static final int SUN_PATH_BYTES = 108;
    private static final String LONGEST = "vfio4j/4194304/mdevs/83b8f4f2-509f-382f-3c1e-e6bfe0fa1001.sock";

    @Test
    void isOfThisProcessAlone() throws IOException {
        assumeTrue(System.getProperty("surefire.test.class.path") != null, "SKIPPED: not run by Maven");
        Path parent = ServerDirectory.parent().getParent();
        assertThat(parent.toString()).startsWith("/tmp/v4j-vfio-cli-");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(parent)))
                .isEqualTo("rwx------");
        assertThat(parent.resolve(LONGEST).toString().length()).isLessThan(SUN_PATH_BYTES);
    }
}
