package org.vfio4j.it;

/**
 * Which disk of a guest is which namespace. Linux looks at the namespaces of a controller all at the same time and numbers their
 * disks in the order in which it is done: /dev/nvme0n1 may be any of them. Stateless.
 */
final class NvmeDisks {

    /**
     * Waits for the disks of namespaces 1 to {@code count} of the first controller. From then on the guest's shell has their names in
     * variables: {@code $ns1} is {@code nvme0n1}, or another.
     */
    static void name(QemuGuest guest, int count) {
        guest.sh("for i in $(seq 300); do set -- /dev/nvme0n*; [ $# = " + count + " ] && [ -b $1 ] && break;"
                + " sleep 0.1; done; for disk in \"$@\"; do disk=${disk#/dev/};"
                + " eval \"ns$(cat /sys/block/$disk/nsid)=$disk\"; done; [ -n \"$ns" + count + "\" ]");
    }

    private NvmeDisks() {}
}
