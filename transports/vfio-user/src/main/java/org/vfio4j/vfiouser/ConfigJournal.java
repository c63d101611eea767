package org.vfio4j.vfiouser;

import org.vfio4j.vfio.VfioMsixCopy;
import org.vfio4j.vfio.VfioPciConfigCopy;

/**
 * Where a server keeps what its client has set up in a device's configuration, for another server that goes on when this one has died.
 * See {@link VfioUserServer#resume}.
 */
public interface ConfigJournal {

    /**
     * The configuration may have changed: the client gets its answer when this returns. One thread at a time, whichever has the
     * connection.
     */
    void changed(VfioPciConfigCopy config, VfioMsixCopy msix);
}
