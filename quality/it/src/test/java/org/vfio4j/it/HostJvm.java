package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.time.Duration;

/**
 * A guest with PCI functions of QEMU's own behind an IOMMU, with Linux's own VFIO, and with this project's Java in it: {@code run-guest
 * --hardware}. Used by the test's thread only.
 */
final class HostJvm implements AutoCloseable {

    static final String NVME = "0000:01:00.0";
    static final String EDU = "0000:02:00.0";
    static final String IGB = "0000:03:00.0";

    /** Two functions of one device, which are in one group: edu, and one that the kernel drives. */
    static final String SHARED_EDU = "0000:04:00.0";

    static final String SHARED_VIRTIO = "0000:04:00.1";

    private static final Duration LIMIT = Duration.ofSeconds(120);

    private final QemuGuest guest;

    private HostJvm(QemuGuest guest) {
        this.guest = guest;
    }

    /** @param image what the NVMe disk holds */
    static HostJvm boot(Path image) {
        HostJvm host = new HostJvm(QemuGuest.withHardware(image).boot());
        try {
            host.startJvm();
            return host;
        } catch (AssertionError e) {
            host.close();
            throw e;
        }
    }

    /** From then on the guest's shell has a command {@code jvm}, which that JVM runs. */
    private void startJvm() {
        guest.sh("mkfifo /tmp/in /tmp/out");
        guest.sh("vfio-test " + HostProgram.class.getName() + " </tmp/in >/tmp/out 2>&1 & JVM=$!");
        guest.sh("exec 8>/tmp/in 9</tmp/out");
        guest.sh("jvm() { echo \"$*\" >&8; while IFS= read -r said <&9; do case $said in " + HostProgram.END
                + "*) return ${said#" + HostProgram.END + "};; esac; printf '%s\\n' \"$said\"; done; return 99; }");
    }

    /** A command of the guest's shell, which must succeed: what it printed. */
    String sh(String command) {
        return guest.sh(command, LIMIT);
    }

    /** A command of {@code vfio}, whatever comes of it. */
    QemuGuest.Result vfio(String... words) {
        return guest.run("jvm " + String.join(" ", words), LIMIT);
    }

    /** A command of {@code vfio} that succeeds: what it printed. */
    String vfioOk(String... words) {
        QemuGuest.Result result = vfio(words);
        assertThat(result.exit())
                .as("vfio %s: %s", String.join(" ", words), result.output())
                .isZero();
        return result.output();
    }

    /** One of {@link HostChecks}. */
    void check(String... words) {
        vfioOk("check " + String.join(" ", words));
    }

    /** Kills it while it does a check that does not end, once it has the device, and starts another. */
    void killDuring(String... words) {
        sh("echo check " + String.join(" ", words)
                + " >&8; until ls -l /proc/$JVM/fd | grep -q vfio-device; do sleep 0.1; done");
        sh("kill -9 $JVM; wait $JVM; exec 8>&- 9<&-; rm /tmp/in /tmp/out");
        startJvm();
    }

    static String device(String function) {
        return "/sys/bus/pci/devices/" + function;
    }

    void powerOff() {
        sh("exec 8>&- 9<&-; wait $JVM");
        guest.powerOff();
    }

    @Override
    public void close() {
        guest.close();
    }
}
