package org.vfio4j.vfiopcis390;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOMSG;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_GET;

import java.lang.foreign.MemorySegment;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFeature;

/**
 * {@code VFIO_DEVICE_FEATURE_ZPCI_ERROR}: takes the oldest error event of the function. A user asks again until there is none. The
 * kernel writes the event where a pointer in the request says; here it is the answer itself, since a message has no pointers.
 */
final class ZpciErrorFeature implements VfioDeviceFeature {

    private final String device;
    private final ZpciData data;

    ZpciErrorFeature(String device, ZpciData data) {
        this.device = device;
        this.data = data;
    }

    @Override
    public int operations() {
        return VFIO_DEVICE_FEATURE_GET;
    }

    @Override
    public int sizeBytes() {
        return data.function().ccdfErrLength();
    }

    /** @throws ErrnoException ENOMSG when no event waits, EIO when the platform's is not as long as it said */
    @Override
    public int get(MemorySegment out) {
        byte[] event =
                data.takeError().orElseThrow(() -> new ErrnoException(ENOMSG, device + ": no zPCI error is pending"));
        if (event.length != sizeBytes()) {
            throw new ErrnoException(
                    EIO, device + ": a zPCI error of " + event.length + " bytes, " + sizeBytes() + " are needed");
        }
        MemorySegment.copy(event, 0, out, JAVA_BYTE, 0, event.length);
        return event.length;
    }

    @Override
    public void set(MemorySegment in) {
        throw new IllegalStateException("no operation of this feature");
    }
}
