package org.vfio4j.mdevcore;

import java.util.Optional;
import java.util.regex.Pattern;

/**
 * A kind of device that a parent can make: {@code struct mdev_type} (linux/mdev.h), a directory of
 * {@code mdev_supported_types}.
 *
 * @param name the parent driver's name, a dash, and the type's own, as {@code mtty-2}
 * @param deviceApi how users drive such a device: {@code vfio-pci}, {@code vfio-platform}, {@code vfio-ccw} or {@code vfio-ap}
 * @param prettyName for people, as {@code Dual port serial}
 * @param description more for people, when there is more to say
 */
public record MdevType(String name, String deviceApi, String prettyName, Optional<String> description) {

    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_.:]+(-[A-Za-z0-9_.:]+)+");

    /** @throws IllegalArgumentException for a name that is not two words with a dash between, fit to name a directory */
    public MdevType {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException("mdev type '" + name + "': DRIVER-TYPE is needed");
        }
    }
}
