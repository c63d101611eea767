package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EACCES;

import java.util.Optional;
import java.util.UUID;
import org.vfio4j.sys.ErrnoException;

/**
 * What the users of a physical function and of its virtual functions share to show that they trust each other; nobody's guess
 * until the first of them sets it. Safe for all threads.
 */
final class VfToken {

    private UUID token = UUID.randomUUID();
    private int virtualUsers;

    synchronized void set(UUID newToken) {
        token = newToken;
    }

    /** A virtual function is opened: its user has to know the token. */
    synchronized void checkVirtual(String deviceName, Optional<UUID> shown) {
        if (!shown.equals(Optional.of(token))) {
            throw wrong(deviceName, shown);
        }
    }

    /** The physical function is opened: its user sets the token, or has to know it while virtual functions have users. */
    synchronized void checkPhysical(String deviceName, Optional<UUID> shown) {
        if (virtualUsers == 0) {
            token = shown.orElse(token);
        } else if (!shown.equals(Optional.of(token))) {
            throw wrong(deviceName, shown);
        }
    }

    synchronized void addVirtualUser() {
        virtualUsers++;
    }

    synchronized void removeVirtualUser() {
        virtualUsers--;
    }

    // The token itself is nobody's business.
    private static ErrnoException wrong(String deviceName, Optional<UUID> shown) {
        return new ErrnoException(
                EACCES,
                "open " + deviceName
                        + (shown.isPresent() ? " with a wrong VF token" : ": a VF token is needed (vf_token=UUID)"));
    }
}
