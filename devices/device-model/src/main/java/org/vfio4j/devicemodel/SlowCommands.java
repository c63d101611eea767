package org.vfio4j.devicemodel;

/**
 * Tells Java Flight Recorder of a device's commands that took too long. The event's class, and with it the recorder, is loaded when
 * the first is told: a device without any, which is the rule, starts without them.
 *
 * @param device its name
 * @param thresholdNs what is too long; {@link Long#MAX_VALUE} for nothing
 */
record SlowCommands(String device, long thresholdNs) {

    /** From the thread that serves the queue. */
    void report(int queue, String opcode, long lba, long bytes, long latencyNs, int status) {
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
