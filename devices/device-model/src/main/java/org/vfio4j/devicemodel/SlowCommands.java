package org.vfio4j.devicemodel;

import jdk.jfr.FlightRecorder;

/**
 * Tells Java Flight Recorder of a device's commands that took too long, once somebody has started it. To load an event's class before that
 * takes the recorder's own classes along, some 60 ms in which the thread that serves the queue would do nothing else.
 *
 * @param device its name
 * @param thresholdNs what is too long; {@link Long#MAX_VALUE} for nothing
 */
record SlowCommands(String device, long thresholdNs) {

    /** From the thread that serves the queue. */
    void report(int queue, String opcode, long lba, long bytes, long latencyNs, int status) {
        if (FlightRecorder.isInitialized()) {
            tell(queue, opcode, lba, bytes, latencyNs, status);
        }
    }

    private void tell(int queue, String opcode, long lba, long bytes, long latencyNs, int status) {
        SlowCommandEvent event = new SlowCommandEvent();
        if (event.shouldCommit()) {
            event.device = device;
            event.queue = queue;
            event.opcode = opcode;
            event.lba = lba;
            event.bytes = bytes;
            event.latency = latencyNs;
            event.status = status;
            event.commit();
        }
    }
}
