package org.vfio4j.vfiolinux;

import static org.vfio4j.sys.Errno.EBUSY;

import java.net.Inet4Address;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.nio.file.Path;
import org.vfio4j.sys.ErrnoException;

/** What {@link HostPci} has to ask of a kernel, where a file's text does not tell. */
interface HostKernel {

    /** Where this machine's files are. */
    Path ROOT = Path.of("/");

    /** That of this machine, as far as files under a root are its; another's network is not asked. */
    static HostKernel of(Path root) {
        boolean own = root.equals(ROOT);
        return new HostKernel() {
            @Override
            public void write(Path attribute, String text) {
                HostTree.write(attribute, text);
            }

            @Override
            public boolean hasIpv4Address(String networkInterface) {
                return own && hasOwnIpv4Address(networkInterface);
            }

            @Override
            public boolean hasOpen(Path group) {
                try (VfioGroup ours = VfioGroup.open(group)) {
                    // It can be opened, so nobody has it.
                    return false;
                } catch (ErrnoException e) {
                    return e.errno() == EBUSY;
                }
            }
        };
    }

    private static boolean hasOwnIpv4Address(String networkInterface) {
        try {
            NetworkInterface found = NetworkInterface.getByName(networkInterface);
            return found != null && found.inetAddresses().anyMatch(Inet4Address.class::isInstance);
        } catch (SocketException e) {
            throw ErrnoException.of(e, "addresses of " + networkInterface);
        }
    }

    /** Writes an attribute, as {@link HostTree#write}. */
    void write(Path attribute, String text);

    /** Whether an interface has an IPv4 address, also one that no route of the main table leads to, which /proc does not show. */
    boolean hasIpv4Address(String networkInterface);

    /** Whether a process has a group open: the kernel gives it to one. */
    boolean hasOpen(Path group);
}
