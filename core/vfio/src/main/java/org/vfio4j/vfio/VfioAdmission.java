package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EINVAL;

import java.util.Optional;
import java.util.UUID;
import org.vfio4j.sys.ErrnoException;

/**
 * Who may open a device: what {@code match_token_uuid} of {@code struct vfio_device_ops} (linux/vfio.h) decides. A virtual
 * function and the physical one that it depends on may belong to users who do not trust each other; a shared token says that
 * they do. Called by the thread that opens, before the driver's {@code openDevice}.
 */
public interface VfioAdmission {

    /** Of a device that needs no token and takes none. */
    VfioAdmission WITHOUT_TOKEN = (deviceName, vfToken) -> {
        if (vfToken.isPresent()) {
            throw new ErrnoException(EINVAL, "open " + deviceName + " with a VF token, which it has no use for");
        }
    };

    /**
     * @param deviceName for the message
     * @param vfToken what the user says
     * @throws ErrnoException EACCES when the token is wrong or missing, EINVAL when there is one that has no use
     */
    void check(String deviceName, Optional<UUID> vfToken);
}
