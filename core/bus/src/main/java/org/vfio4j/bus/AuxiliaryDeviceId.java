package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EINVAL;

import java.util.regex.Pattern;
import org.vfio4j.sys.ErrnoException;

/**
 * An entry of an auxiliary driver's id table: {@code struct auxiliary_device_id} (linux/mod_devicetable.h).
 *
 * @param name what stands before the last dot of a device's name, as {@code mlx5_core.vfio_pci}
 */
public record AuxiliaryDeviceId(String name) {

    /** AUXILIARY_NAME_SIZE without the zero at its end. */
    public static final int MAX_NAME_BYTES = 39;

    private static final Pattern SYNTAX = Pattern.compile("[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]+");

    /** @throws ErrnoException EINVAL when {@code name} is not {@code module.device}, or longer than 39 bytes */
    public AuxiliaryDeviceId {
        if (!SYNTAX.matcher(name).matches() || name.length() > MAX_NAME_BYTES) {
            throw new ErrnoException(
                    EINVAL,
                    "auxiliary device name '" + name + "': expected MODULE.DEVICE of letters, digits, _ and -, at most "
                            + MAX_NAME_BYTES + " bytes");
        }
    }

    /** The alias by which tools find the driver: {@code auxiliary:mlx5_core.vfio_pci}. */
    public String alias() {
        return "auxiliary:" + name;
    }
}
