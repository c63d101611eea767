package org.vfio4j.vfio;

import java.util.Arrays;
import java.util.HexFormat;

/**
 * A capability of a device, a region or an interrupt index: what stands behind {@code struct vfio_info_cap_header}
 * (linux/vfio.h) in the answer to an info request. VFIO hands the body on without a look at it, so that an extension can have
 * capabilities that VFIO does not know.
 *
 * @param id {@code VFIO_*_INFO_CAP_*}
 * @param version of the body's layout
 * @param body what follows the header, in the layout of its struct
 */
public record VfioInfoCapability(int id, int version, byte[] body) {

    public VfioInfoCapability {
        body = body.clone();
    }

    @Override
    public byte[] body() {
        return body.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof VfioInfoCapability that
                && id == that.id
                && version == that.version
                && Arrays.equals(body, that.body);
    }

    @Override
    public int hashCode() {
        return 31 * id + Arrays.hashCode(body);
    }

    @Override
    public String toString() {
        return "capability " + id + " v" + version + " " + HexFormat.of().formatHex(body);
    }
}
