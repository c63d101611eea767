package org.vfio4j.cli.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.device.BridgePlan;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.EmulatedDevice;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;

/** What a file may say of a machine, and where it says what makes no sense. */
class MachineReaderTest {

    /** Each line is complete, so that one can be replaced. */
    private static final String GOOD = """
            apiVersion: vfio4j/v1
            kind: Machine
            options:
              trust-client: true
              vfio-pci: [disable_vga, "ids=1af4:1042"]
              facts: [site.facts]
              sysfs: /tmp/view
            devices:
              - bridge: root-port
                address: 0000:00:02.0
                buses: 05-09
                behind:
                  - bridge: upstream-port
                    address: 05:00.0
                    id: 15b3:1978
                    buses: 06-09
                    behind:
                      - bridge: downstream-port
                        address: 0000:06:01.0
                        buses: 08
                        behind:
                          - device: virtio-blk
                            address: 0000:08:00.0
                            settings:
                              memory: 64M
                              readonly: true
                            socket-path: disk.sock
                            driver: vfio-pci
              - device: i40e-vf
                address: 0000:00:03.0
            """;

    @Test
    void readsBridgesAndWhatIsBehindThem() {
        MachineConfig machine = read(GOOD);
        assertThat(machine.options())
                .isEqualTo(new MachineConfig.Options(
                        true,
                        List.of("disable_vga", "ids=1af4:1042"),
                        List.of(Path.of("site.facts")),
                        Optional.of(Path.of("/tmp/view")),
                        Optional.empty()));
        assertThat(read(GOOD.replace("sysfs: /tmp/view", "sysfs-fuse: /tmp/tree"))
                        .options()
                        .sysfsFuse())
                .contains(Path.of("/tmp/tree"));
        assertThat(machine.devices().stream().map(MachineConfig.Device::address))
                .extracting(PciAddress::toString)
                .containsExactly("0000:00:02.0", "0000:05:00.0", "0000:06:01.0", "0000:08:00.0", "0000:00:03.0");
        MachineConfig.Bridge upstream = (MachineConfig.Bridge) machine.devices().get(1);
        assertThat(upstream.plan()).isEqualTo(new BridgePlan("upstream-port", 0x15b3, 0x1978, 6, 9));
        MachineConfig.Function disk = (MachineConfig.Function) machine.devices().get(3);
        assertThat(disk.socketPath()).contains(Path.of("disk.sock"));
        assertThat(disk.driver()).contains("vfio-pci");
        assertThat(disk.where()).isEqualTo("m.yaml:22:17");
        EmulatedDevice opened = disk.plan().open(disk.address());
        assertThat(opened.description()).isEqualTo("64 MiB, memory");
        opened.close();
    }

    @Test
    void theMachineThatIsShippedMakesSense() {
        MachineConfig machine = MachineFile.read("shipped:bluefield").machine();
        assertThat(machine.devices().stream().map(MachineConfig.Device::address))
                .extracting(PciAddress::toString)
                .containsExactly(
                        "0000:00:02.0",
                        "0000:05:00.0",
                        "0000:06:00.0",
                        "0000:07:00.0",
                        "0000:06:01.0",
                        "0000:08:00.0",
                        "0000:06:02.0",
                        "0000:09:00.0");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            apiVersion: vfio4j/v1       | apiVersion: vfio4j/v2      | 1:13 | apiVersion 'vfio4j/v2': there is vfio4j/v1
            kind: Machine               | kind: Device               | 2:7  | kind 'Device': there is Machine
            kind: Machine               | kynd: Machine              | 2:1  | unknown key 'kynd'
            kind: Machine               | apiVersion: vfio4j/v1      | 2:1  | 'apiVersion' is there twice
            kind: Machine               | # kind                     | 1:1  | 'kind' is missing
            kind: Machine               | kind: [Machine]            | 2:7  | expected one value, not a list
            trust-client: true          | trust-client: perhaps      | 4:17 | trust-client: 'perhaps': expected true or false
            trust-client: true          | trust_client: true         | 4:3  | unknown key 'trust_client'
            facts: [site.facts]         | facts: site.facts          | 6:10 | expected a list, not 'site.facts'
            [disable_vga,               | [disable_vgaa,             | 5:13 | vfio-pci option 'disable_vgaa'
            bridge: root-port           | bridge: port               | 9:13 | bridge 'port': there is root-port, upstream-port, downstream-port
            address: 0000:00:02.0       | address: 0000:00:2x.0      | 10:14 | PCI address '0000:00:2x.0'
            address: 0000:00:02.0       | address: 0000:00:03.0      | 30:14 | add 0000:00:03.0: EEXIST
            buses: 05-09                | buses: 05-100              | 11:12 | buses '05-100': expected the bus behind it
            buses: 05-09                | buses: 09-05               | 10:14 | the buses behind it are 09 to 05
            buses: 05-09                | buses: 00-09               | 10:14 | the buses behind it are 00 to 09, the first is 01
            buses: 05-09                | behind-it: 05-09           | 11:5  | unknown key 'behind-it'
            id: 15b3:1978               | id: 15b3                   | 15:13 | id '15b3': expected VENDOR:DEVICE
            buses: 06-09                | buses: 06-0a               | 14:18 | those behind 0000:00:02.0 05 to 09
            address: 05:00.0            | address: 05:01.0           | 14:18 | the link behind 0000:00:02.0 has one device
            address: 0000:06:01.0       | address: 0000:07:01.0      | 19:22 | address 0000:07:01.0 is not behind its bridge 0000:05:00.0, which leads to bus 06
            address: 0000:08:00.0       | address: 0001:08:00.0      | 23:26 | is not behind its bridge 0000:06:01.0, which leads to bus 08
            device: virtio-blk          | device: floppy             | 22:25 | unknown device 'floppy'
            device: virtio-blk          | dvice: virtio-blk          | 22:17 | expected either 'bridge' or 'device' here
            readonly: true              | readonly: maybe            | 26:29 | readonly=maybe: expected on or off
            readonly: true              | readnly: true              | 26:28 | virtio-blk has no setting 'readnly'
            memory: 64M                 | memory: 0x40               | 25:27 | memory=0x40: expected a size
            memory: 64M                 | serial: X                  | 22:25 | virtio-blk without storage
            memory: 64M                 | memory: {size: 64M}        | 25:27 | expected one value, not keys and values
            socket-path: disk.sock      | socket-path:               | 27:29 | socket-path needs a value
            address: 0000:00:03.0       | address: 0000:08:00.1      | 30:14 | is behind 0000:06:01.0: it belongs into its 'behind'
            address: 0000:00:03.0       | address: 0000:07:00.0      | 30:14 | no bridge leads to its bus
            kind: Machine               | kind: "Machine             | 5:28  | expected <block end>
            """)
    void tellsWhereWhatMakesNoSense(String line, String instead, String where, String what) {
        assertThat(GOOD).contains(line.strip());
        String bad = GOOD.replaceFirst(Pattern.quote(line.strip()), instead.strip());
        assertThatThrownBy(() -> read(bad))
                .isInstanceOfSatisfying(
                        CliException.class, e -> assertThat(e.exitCode()).isEqualTo(ExitCode.FAILED))
                .hasMessageStartingWith("m.yaml:" + where + ": ")
                .hasMessageContaining(what);
    }

    @Test
    void aParentOfMdevsIsOnNoBus() {
        MachineConfig machine = read(GOOD + "  - device: mtty\n");
        assertThat(machine.devices()).hasSameSizeAs(read(GOOD).devices());
        assertThat(machine.parents())
                .singleElement()
                .satisfies(parent -> assertThat(parent.where()).isEqualTo("m.yaml:31:5"));
        assertThatThrownBy(() -> read(GOOD + "  - device: mtty\n    settings: {ports: 3}\n"))
                .hasMessageStartingWith("m.yaml:32:23: mtty has no setting 'ports'");
        assertThatThrownBy(() -> read(GOOD + "  - device: mtty\n    address: 00:04.0\n"))
                .hasMessageStartingWith("m.yaml:32:5: unknown key 'address'");
        assertThatThrownBy(() -> read("""
                apiVersion: vfio4j/v1
                kind: Machine
                devices:
                  - bridge: root-port
                    address: 0000:00:02.0
                    buses: 05-09
                    behind:
                      - device: mtty
                """)).hasMessageStartingWith("m.yaml:8:17: mtty is a parent of mdevs");
    }

    @Test
    void refusesASocketThatAnotherDeviceHas() {
        String bad = GOOD + "    socket-path: ./disk.sock\n";
        assertThatThrownBy(() -> read(bad))
                .hasMessageStartingWith("m.yaml:31:18: socket-path /")
                .hasMessageEndingWith("disk.sock is another's already: m.yaml:27:30");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', textBlock = """
            emulated-by: 0000:00:04.1 | emulated-by: 0000:00:04.2    | 40:18 | no network function of a bluefield before it is there
            emulated-by: 0000:00:04.1 | emulated-by: 4.1             | 40:18 | PCI address '4.1'
            ports: 2                  | emulated-by: 0000:00:04.1    | 34:20 | bluefield has no setting 'emulated-by'
            address: 0000:00:04.0     | address: 0000:00:04.7        | 32:14 | a DPU with 2 network functions needs as many there
            address: 0000:00:04.2     | address: 0000:00:04.1        | 36:14 | add 0000:00:04.1: EEXIST
            ports: 2                  | ports: 3                     | 34:14 | ports=3: expected a number from 1 to 2
            ports: 2                  | port: 2                      | 34:13 | bluefield has no setting 'port'
            ports: 2                  | ports: 1                     | 40:18 | no network function of a bluefield before it is there
            """)
    void tellsWhatNoDpuCanBe(String line, String instead, String where, String what) {
        String good = GOOD + """
              - device: bluefield
                address: 0000:00:04.0
                settings:
                  ports: 2
              - device: virtio-blk
                address: 0000:00:04.2
                settings:
                  memory: 64M
                socket-path: snap.sock
                emulated-by: 0000:00:04.1
            """;
        assertThat(read(good).devices()).hasSize(7);
        assertThat(good).contains(line.strip());
        String bad = good.replaceFirst(Pattern.quote(line.strip()), instead.strip());
        assertThatThrownBy(() -> read(bad))
                .hasMessageStartingWith("m.yaml:" + where + ": ")
                .hasMessageContaining(what);
    }

    @Test
    void refusesWhatIsNoMachineAtAll() {
        assertThatThrownBy(() -> read("")).hasMessage("m.yaml:1:1: there is nothing in it");
        assertThatThrownBy(() -> read("- a\n- b\n")).hasMessage("m.yaml:1:1: expected keys and values, not a list");
        assertThatThrownBy(() -> read(GOOD + "---\n" + GOOD)).hasMessageContaining("m.yaml:31:1: ");
        assertThatThrownBy(() -> read("[".repeat(200_000))).isInstanceOf(CliException.class);
        // A device that contains itself has its own address again.
        assertThatThrownBy(() -> read("""
                apiVersion: vfio4j/v1
                kind: Machine
                devices: &all
                  - bridge: root-port
                    address: 0000:00:02.0
                    buses: 05-09
                    behind: *all
                """)).isInstanceOf(CliException.class).hasMessageContaining("0000:00:02.0");
    }

    private static MachineConfig read(String text) {
        return new MachineReader(new DeviceKinds()).read("m.yaml", text);
    }
}
