package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.ECANCELED;

import org.vfio4j.vfio.VfioDeviceFile;

/** DEVICE_RESET. The device's queue threads end in it, so none of them may go on waiting for an answer of the client. */
final class ResetCommand {

    private final VfioDeviceFile file;
    private final DmaRequests requests;

    ResetCommand(VfioDeviceFile file, DmaRequests requests) {
        this.file = file;
        this.requests = requests;
    }

    void reset() {
        requests.cancel(ECANCELED);
        try {
            file.reset();
        } finally {
            requests.resume();
        }
    }
}
