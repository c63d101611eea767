package org.vfio4j.vfiouser;

/** What a server has done so far. Written by the thread that owns the connection, without a lock: a reader may lag behind. */
final class Counters {

    long connections;
    long messages;
    long errors;
    long bytesReceived;
    long bytesSent;

    VfioUserStatistics snapshot() {
        return new VfioUserStatistics(connections, messages, errors, bytesReceived, bytesSent);
    }
}
