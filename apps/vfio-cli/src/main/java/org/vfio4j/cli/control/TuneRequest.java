package org.vfio4j.cli.control;

import java.util.Set;
import org.vfio4j.cli.device.DeviceTuning;

/**
 * A request to change a device while it is used.
 *
 * @param kind {@link #RESIZE} or {@link #LIMIT}
 * @param address the function's, as {@code 0000:00:01.0}
 * @param namespace for RESIZE: an NSID; 0 for a device that has one storage
 * @param sizeBytes for RESIZE
 * @param iops for LIMIT: as {@link DeviceTuning#limit}
 * @param bandwidth for LIMIT, in bytes in a second
 */
public record TuneRequest(String kind, String address, int namespace, long sizeBytes, long iops, long bandwidth)
        implements Request {

    static final String RESIZE = "Resize";
    static final String LIMIT = "Limit";

    /** {@link #namespace} of a device that has one storage. */
    public static final int NO_NAMESPACE = 0;

    static final RequestForm<TuneRequest> FORM = RequestForm.needingAll(TuneRequest.class, RESIZE, LIMIT);

    public static TuneRequest resize(String address, int namespace, long sizeBytes) {
        return new TuneRequest(RESIZE, address, namespace, sizeBytes, DeviceTuning.UNCHANGED, DeviceTuning.UNCHANGED);
    }

    public static TuneRequest limit(String address, long iops, long bandwidth) {
        return new TuneRequest(LIMIT, address, NO_NAMESPACE, 0, iops, bandwidth);
    }

    void perform(DeviceTuning device) {
        if (kind.equals(RESIZE) && namespace == NO_NAMESPACE) {
            device.resize(sizeBytes);
        } else if (kind.equals(RESIZE)) {
            device.resize(namespace, sizeBytes);
        } else {
            device.limit(iops, bandwidth);
        }
    }

    @Override
    public String line() {
        return FORM.line(this, Set.of());
    }
}
