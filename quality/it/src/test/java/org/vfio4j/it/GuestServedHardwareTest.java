package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.it.HostJvm.EDU;
import static org.vfio4j.it.Images.MIB;

import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;

/**
 * A device of a guest's Linux that {@code vfio serve pci} serves there, and its clients: what becomes of both when the kernel wants the device
 * back, and of what a client maps. Each test has a server of its own, which the device is free from in the end.
 */
@QemuTest
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class GuestServedHardwareTest {

    @TempDir
    private static Path dir;

    private HostJvm host;

    @BeforeAll
    void boot() {
        host = HostJvm.boot(Images.create(dir.resolve("nvme.img"), 64L * MIB));
        host.vfioOk("host bind", EDU);
    }

    @AfterAll
    void powerOff() {
        try {
            host.powerOff();
        } finally {
            host.close();
        }
    }

    @AfterEach
    void endServer() {
        host.sh("kill $SERVER 2>/dev/null; wait $SERVER || true");
        host.vfioOk("host bind", EDU);
    }

    @Test
    void theKernelGetsItBackFromAClientThatLetsGo() {
        serve("");
        host.check(EDU, "served let-go");
        seesThatTheKernelHasIt();
    }

    @Test
    void theKernelGetsItBackFromAClientThatKeepsIt() {
        serve("");
        host.check(EDU, "served kept");
        seesThatTheKernelHasIt();
    }

    @Test
    void theKernelGetsItBackWhileNobodyIsConnected() {
        serve("");
        host.check(EDU, "served registers");
        host.sh("echo " + EDU + " > /sys/bus/pci/drivers/vfio-pci/unbind");
        seesThatTheKernelHasIt();
    }

    @Test
    void whatIsServedIsNotUnboundAndItIsSaidWhoHasIt() {
        serve("");
        QemuGuest.Result refused = host.vfio("host unbind", EDU);
        assertThat(refused.exit()).isEqualTo(5);
        assertThat(refused.output())
                .containsPattern(EDU + " is in use: its IOMMU group is open, /dev/vfio/\\d+ by process " + server()
                        + " \\(java\\): EBUSY");
        host.check(EDU, "served registers");
    }

    @Test
    void whatAClientHasMappedIsTheDeviceAlsoWhenItHasGone() {
        serve("mappable");
        host.check(EDU, "served mapped");
    }

    @Test
    void whatAClientHasMappedKeepsTheDeviceAlsoWhenTheServerHasGone() {
        serve("mappable");
        host.check(EDU, "served mapped-for-ever", server());
        host.check(EDU, "edu registers");
    }

    private void serve(String settings) {
        host.sh("vfio serve pci host=" + EDU + " " + settings + " --socket-path " + ServedChecks.SOCKET
                + " >/tmp/served.log 2>&1 8>&- 9<&- & SERVER=$!");
        host.sh("until [ -S " + ServedChecks.SOCKET + " ]; do sleep 0.2; done");
    }

    private String server() {
        return host.sh("echo $SERVER");
    }

    /** The kernel holds the lock meanwhile that a reset needs: there is none, which the log says once. */
    private void seesThatTheKernelHasIt() {
        host.sh("[ ! -e " + HostJvm.device(EDU) + "/driver ]");
        host.sh("[ ! -e " + ServedChecks.SOCKET + " ]");
        String said = "(hardware, " + EDU + " of this machine): this process has let it go; it is not served any more";
        host.sh("until grep -qF '" + said + "' /tmp/served.log; do sleep 0.2; done");
        String log = host.sh("cat /tmp/served.log");
        assertThat(log.lines().filter(line -> line.contains(EDU + " is not reset: the kernel takes it away")))
                .as(log)
                .hasSize(1);
        assertThat(log).doesNotContain("at org.vfio4j", "at java.base", "cannot be given back");
        host.sh("echo 1 > " + HostJvm.device(EDU) + "/reset");
    }
}
