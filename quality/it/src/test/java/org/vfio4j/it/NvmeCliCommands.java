package org.vfio4j.it;

import static org.vfio4j.it.GuestNvmeCliTest.Command.fails;
import static org.vfio4j.it.GuestNvmeCliTest.Command.ok;

import java.util.List;
import org.vfio4j.it.GuestNvmeCliTest.Command;

/** Commands of nvme-cli 2 for a controller with namespaces of 16 and 64 MiB, and what it answers. */
final class NvmeCliCommands {

    private static final String CONTROLLER = " /dev/nvme0 ";
    private static final String FIRST = " /dev/$ns1 ";

    static final List<Command> ALL = List.of(
            // Identify.
            ok(
                    "nvme id-ctrl" + CONTROLLER,
                    "^vid +: 0x15b3$",
                    "^sn +: NVME-0001 *$",
                    "^mdts +: 7$",
                    "^ver +: 0x20000$",
                    "^oacs +: 0x10a$",
                    "^frmw +: 0x3$",
                    "^lpa +: 0x26$",
                    "^nn +: 16$",
                    "^oncs +: 0x1dd$",
                    "^vwc +: 0x7$",
                    "^sgls +: 0x1$",
                    "^subnqn +: nqn.2014-08.org.nvmexpress:uuid:"),
            ok(
                    "nvme id-ns -n 1" + CONTROLLER,
                    "^nsze +: 0x8000$",
                    "^flbas +: 0$",
                    "^fpi +: 0x80$",
                    "^dlfeat +: 9$",
                    "^lbaf +0 : ms:0 +lbads:9 +rp:0x1 \\(in use\\)$",
                    "^lbaf +1 : ms:0 +lbads:12 +rp:0 *$"),
            ok(
                    "nvme list",
                    "^/dev/nvme0n[12] .*NVME-0001 +vfio4j NVMe Controller +0x1 .*16.78 +MB.*512",
                    "^/dev/nvme0n[12] .*NVME-0001 +vfio4j NVMe Controller +0x2 .*67.11 +MB.*512"),
            ok("nvme list-ns" + CONTROLLER, "^\\[ +0\\]:0x1$", "^\\[ +1\\]:0x2$"),
            ok("nvme ns-descs -n 1" + CONTROLLER, "^uuid +: [0-9a-f-]{36}$", "^csi +: 0$"),
            ok("nvme list-ctrl" + CONTROLLER, "^\\[ +0\\]:0$"),
            ok("nvme cmdset-ind-id-ns -n 1" + CONTROLLER, "^nstat +: 0x1$"),
            ok("nvme nvm-id-ctrl" + CONTROLLER, "^wzsl +: 0$"),
            ok("nvme id-iocs" + CONTROLLER, "NVM"),
            // Log pages.
            ok(
                    "nvme smart-log" + CONTROLLER,
                    "^critical_warning\\s+: 0$",
                    "^temperature\\s+: .*298",
                    "^available_spare\\s+: 100%$"),
            ok("nvme fw-log" + CONTROLLER, "^afi +: 0x1$", "^frs1 : 0x2020202020302e31 "),
            ok("nvme effects-log" + CONTROLLER, "ACS6 +\\[Identify", "IOCS1 +\\[Write"),
            ok("nvme show-regs" + CONTROLLER, "^version *: 0x20000$", "^csts *: 0x1$", "^crto *: 0x78$"),
            ok("nvme supported-log-pages" + CONTROLLER, "0x2|SMART"),
            ok("nvme changed-ns-list-log" + CONTROLLER),
            ok("nvme get-log -i 3 -l 16" + CONTROLLER, "01 00 00 00 00 00 00 00"),
            ok(
                    "nvme fid-support-effects-log" + CONTROLLER,
                    "^FID 07 -> Support Effects Log: 00200001$",
                    "^FID 84 -> Support Effects Log: 00100005$"),
            // Features.
            ok("nvme get-feature -f 7" + CONTROLLER, "0x00010001"),
            ok("nvme get-feature -f 4" + CONTROLLER, "0x00000157"),
            ok("nvme get-feature -f 6 -s 3" + CONTROLLER, "changeable"),
            ok("nvme set-feature -f 4 -V 0x120" + CONTROLLER, "0x00000120"),
            ok("nvme smart-log" + CONTROLLER, "^critical_warning\\s+: 0x2$"),
            ok("nvme set-feature -f 4 -V 0x157" + CONTROLLER, "0x00000157"),
            ok("nvme get-feature -f 0xb" + CONTROLLER, "0x00000100"),
            fails(1, "nvme get-feature -f 0xf" + CONTROLLER, "Invalid Field"),
            fails(1, "nvme set-feature -f 6 -V 1 -s" + CONTROLLER, "not saveable|Not Saveable"),
            // I/O commands.
            ok("dd if=/dev/urandom of=/tmp/block bs=512 count=1 status=none"),
            ok("nvme write -s 8 -c 0 -z 512 -d /tmp/block" + FIRST, "write: Success"),
            ok("nvme compare -s 8 -c 0 -z 512 -d /tmp/block" + FIRST, "compare: Success"),
            fails(1, "nvme compare -s 9 -c 0 -z 512 -d /tmp/block" + FIRST, "Compare Failure|COMPARE_FAILED"),
            ok("nvme copy --sdlba=64 --slbs=8 --blocks=0 --format=0" + FIRST, "Copy: success"),
            ok("nvme compare -s 64 -c 0 -z 512 -d /tmp/block" + FIRST, "compare: Success"),
            ok("nvme verify -s 0 -c 63" + FIRST, "Verify Success"),
            ok("nvme read -f -s 8 -c 0 -z 512 -d /tmp/read" + FIRST, "read: Success"),
            ok("cmp /tmp/block /tmp/read"),
            ok("nvme flush" + FIRST, "Flush: success"),
            ok("nvme write-zeroes -s 8 -c 7" + FIRST, "Write Zeroes Success"),
            ok("nvme dsm --ad -b 8 -s 64" + FIRST, "DSM: success"),
            ok("dd if=/dev/$ns1 bs=4096 skip=1 count=8 iflag=direct status=none | cmp -n 32768 - /dev/zero"),
            fails(1, "nvme read -s 0x8000 -c 0 -z 512 -d /dev/null" + FIRST, "LBA Out of Range|LBA_RANGE"),
            ok("nvme error-log -e 1" + CONTROLLER, "^status_field\\s+: .*(LBA Out of Range|LBA_RANGE)"),
            // Namespaces.
            ok("nvme format --lbaf=1 --force" + FIRST, "Success formatting namespace:1"),
            becomes("[ $(cat /sys/block/$ns1/queue/logical_block_size) = 4096 ]"),
            ok("nvme detach-ns -n 2 -c 0" + CONTROLLER, "detach-ns: Success, nsid:2"),
            becomes("[ ! -b /dev/$ns2 ]"),
            ok("nvme list-ns --all" + CONTROLLER, "^\\[ +1\\]:0x2$"),
            ok("nvme attach-ns -n 2 -c 0" + CONTROLLER, "attach-ns: Success, nsid:2"),
            becomes("[ -b /dev/$ns2 ]"),
            fails(1, "nvme create-ns -s 8 -c 8 -f 0" + CONTROLLER, "Insufficient Capacity|INSUFFICIENT_CAP"),
            fails(1, "nvme delete-ns -n 77" + CONTROLLER, "Invalid Namespace or Format|INVALID_NS"),
            ok("nvme set-feature -n 1 -f 0x84 -V 1" + CONTROLLER),
            becomes("[ $(cat /sys/block/$ns1/ro) = 1 ]"),
            ok("nvme set-feature -n 1 -f 0x84 -V 0" + CONTROLLER),
            becomes("[ $(cat /sys/block/$ns1/ro) = 0 ]"),
            ok("nvme ns-rescan" + CONTROLLER),
            // What there is not.
            fails(1, "nvme admin-passthru --opcode=0xc0" + CONTROLLER, "Invalid Command Opcode|INVALID_OPCODE"),
            fails(1, "nvme sanitize -a 2" + CONTROLLER, "Invalid Command Opcode|INVALID_OPCODE"),
            fails(
                    1,
                    "nvme device-self-test -n 1 -s 1" + CONTROLLER,
                    "Invalid Command Opcode|INVALID_OPCODE|not support"),
            fails(1, "nvme get-log -i 0xd -l 512" + CONTROLLER, "Invalid Log Page|INVALID_LOG_PAGE"),
            // Reset: the controller comes back with what it had.
            ok("nvme reset" + CONTROLLER),
            ok("nvme get-feature -f 4" + CONTROLLER, "0x00000157"),
            ok("nvme id-ns -n 1" + CONTROLLER, "lbads:12 +rp:0 +\\(in use\\)"));

    private NvmeCliCommands() {}

    /** The guest is to see for itself what the command before has changed, within 30 s. */
    private static Command becomes(String condition) {
        return ok(until(condition));
    }

    /** A shell command that waits at most 30 s for a condition, and then says whether it holds. */
    static String until(String condition) {
        return "for i in $(seq 300); do " + condition + " && break; sleep 0.1; done; " + condition;
    }
}
