package org.vfio4j.vfiolinux;

import static org.vfio4j.sys.Errno.EBUSY;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.FileIo;

/**
 * What this machine does with a function now, as far as the kernel tells: its block devices that are mounted, swap, or part of others;
 * its network interfaces that have addresses or routes; its virtual functions. Stateless.
 */
final class HostUse {

    /** A path of an NVMe namespace with several: the disk that stands on it has another place in the tree. */
    private static final Pattern NVME_PATH = Pattern.compile("(nvme\\d+)c\\d+(n\\d+)");

    private static final String NO_DESTINATION = "00000000";
    private static final String LINK_LOCAL = "fe8";
    private static final String UPPER = "upper_";
    private static final String LOOP = "loop";

    private final Path sys;
    private final Path proc;
    private final HostKernel kernel;

    HostUse(Path sys, Path proc, HostKernel kernel) {
        this.sys = sys;
        this.proc = proc;
        this.kernel = kernel;
    }

    /**
     * What would be lost.
     *
     * @param device the function's own directory, without links
     * @return as {@code nvme0n1p2 is mounted at /home}
     */
    List<String> of(Path device) {
        List<String> uses = new ArrayList<>();
        String virtual = HostTree.read(device.resolve("sriov_numvfs"));
        if (!virtual.isEmpty() && !virtual.equals("0")) {
            uses.add(virtual + (virtual.equals("1") ? " virtual function is on" : " virtual functions are on"));
        }
        for (String name : blockDevices(device)) {
            addBlock(uses, name);
        }
        for (String name : HostTree.names(sys.resolve("class/net"))) {
            if (isBelow(sys.resolve("class/net").resolve(name), device)) {
                addNetwork(uses, name);
            }
        }
        return uses;
    }

    /**
     * Block devices that the kernel itself has, for a mount that only others see or a file system of several devices: those that it does not
     * give away exclusively. For root.
     *
     * @param nodes {@code /dev}
     * @return as {@code nvme0n1 is in the kernel's own use}
     */
    List<String> held(Path device, Path nodes) {
        return blockDevices(device).stream()
                .filter(name -> isHeld(nodes.resolve(name)))
                .map(name -> name + " is in the kernel's own use")
                .toList();
    }

    /** With O_EXCL a block device that is mounted, or part of another device, answers EBUSY. */
    private static boolean isHeld(Path node) {
        try {
            FileIo.open(node, FileIo.O_RDONLY | FileIo.O_EXCL | FileIo.O_NONBLOCK)
                    .close();
            return false;
        } catch (ErrnoException e) {
            return e.errno() == EBUSY;
        }
    }

    private Set<String> blockDevices(Path device) {
        List<String> all = HostTree.names(sys.resolve("class/block"));
        Set<String> below = new LinkedHashSet<>();
        for (String name : all) {
            if (isBelow(sys.resolve("class/block").resolve(name), device)) {
                below.add(name);
                Matcher path = NVME_PATH.matcher(name);
                if (path.matches()) {
                    String disk = path.group(1) + path.group(2);
                    all.stream()
                            .filter(other -> other.equals(disk) || other.startsWith(disk + "p"))
                            .forEach(below::add);
                }
            }
        }
        return below;
    }

    private static boolean isBelow(Path link, Path device) {
        Path real = HostTree.real(link);
        return real.startsWith(device) && !real.equals(device);
    }

    private void addBlock(List<String> uses, String name) {
        Path directory = sys.resolve("class/block").resolve(name);
        String number = HostTree.read(directory.resolve("dev"));
        for (String line : HostTree.lines(proc.resolve("self/mountinfo"))) {
            // id, parent, major:minor, root, where, options, optional fields, "-", type, source
            String[] fields = line.split(" ");
            int dash = List.of(fields).indexOf("-");
            // File systems on several devices have a number of their own.
            boolean source = dash > 0 && dash + 2 < fields.length && fields[dash + 2].equals("/dev/" + name);
            if (fields.length > 4 && (fields[2].equals(number) || source)) {
                uses.add(name + " is mounted at " + fields[4]);
            }
        }
        for (String line : HostTree.lines(proc.resolve("swaps"))) {
            if (line.startsWith("/dev/" + name + " ") || line.startsWith("/dev/" + name + "\t")) {
                uses.add(name + " is swap");
            }
        }
        HostTree.names(directory.resolve("holders")).forEach(holder -> uses.add(name + " is part of " + holder));
        HostTree.names(sys.resolve("class/block")).stream()
                .filter(loop -> loop.startsWith(LOOP) && backing(loop).equals("/dev/" + name))
                .forEach(loop -> uses.add(name + " is behind " + loop));
    }

    /** What a loop device stands on, which it does not hold. */
    private String backing(String loop) {
        return HostTree.read(sys.resolve("class/block").resolve(loop).resolve("loop/backing_file"));
    }

    private void addNetwork(List<String> uses, String name) {
        boolean routed = false;
        for (String line : HostTree.lines(proc.resolve("net/route"))) {
            // interface, destination, gateway, ...
            String[] fields = line.split("\\s+");
            if (fields.length > 1 && fields[0].equals(name)) {
                routed = true;
                if (fields[1].equals(NO_DESTINATION)) {
                    uses.add(name + " has the default route");
                }
            }
        }
        boolean addressed = HostTree.lines(proc.resolve("net/if_inet6")).stream()
                .anyMatch(line -> line.endsWith(" " + name) && !line.startsWith(LINK_LOCAL));
        if (routed || addressed || kernel.hasIpv4Address(name)) {
            uses.add(name + " has an address");
        }
        // Bridges, bonds, VLANs and the like, which have the addresses.
        HostTree.names(sys.resolve("class/net").resolve(name)).stream()
                .filter(link -> link.startsWith(UPPER))
                .forEach(link -> uses.add(name + " is under " + link.substring(UPPER.length())));
    }
}
