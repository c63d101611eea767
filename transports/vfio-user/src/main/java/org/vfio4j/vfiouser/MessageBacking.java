package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.ECANCELED;

import org.vfio4j.vfio.DmaBacking;

/** Guest memory that came without a descriptor: each access is a request to the client. */
final class MessageBacking implements DmaBacking {

    private final DmaRequests requests;
    private final long iova;
    private volatile boolean closed;

    MessageBacking(DmaRequests requests, long iova) {
        this.requests = requests;
        this.iova = iova;
    }

    @Override
    public boolean isRemote() {
        return true;
    }

    @Override
    public int read(long offset, long hostAddress, long length) {
        return closed ? -ECANCELED : requests.read(iova + offset, hostAddress, length);
    }

    @Override
    public int write(long offset, long hostAddress, long length) {
        return closed ? -ECANCELED : requests.write(iova + offset, hostAddress, length);
    }

    @Override
    public void close() {
        closed = true;
    }
}
