package org.vfio4j.mlx5;

import java.util.regex.Pattern;

/**
 * A scalable function that is wanted.
 *
 * @param name tells it and its storage from others, wherever it is: two devices of the same name on two hosts stand on the same
 *     storage if that is shared. At most {@value #MAX_NAME} letters, digits and dashes
 * @param protocol what it is to its driver
 * @param queues those of virtio-blk, or NVMe's pairs for I/O
 * @param sizeBytes of its disk
 */
public record SfRequest(String name, SnapFunction.Protocol protocol, int queues, long sizeBytes) {

    /** The longest name. */
    public static final int MAX_NAME = 64;

    private static final Pattern NAME = Pattern.compile("[0-9A-Za-z-]{1," + MAX_NAME + "}");

    /** @throws IllegalArgumentException for a name that is none */
    public SfRequest {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "scalable function '" + name + "': letters, digits and dashes are needed");
        }
    }
}
