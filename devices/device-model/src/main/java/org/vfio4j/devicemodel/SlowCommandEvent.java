package org.vfio4j.devicemodel;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;

/** The event {@code org.vfio4j.SlowCommand}: a command of a device took longer than the device's threshold. */
@Name("org.vfio4j.SlowCommand")
@Label("Slow Command")
@Category("vfio4j")
@Description("A command of an emulated device took longer than the device's threshold")
@StackTrace(false)
final class SlowCommandEvent extends Event {

    @Label("Device")
    String device = "";

    @Label("Queue")
    int queue;

    @Label("Opcode")
    @Description("As the device's protocol calls it")
    String opcode = "";

    @Label("LBA")
    @Description("In the device's blocks; -1 for a command that is at no place")
    long lba;

    @Label("Bytes")
    @DataAmount
    long bytes;

    @Label("Latency")
    @Description("From when the device saw the command until it saw that the storage was done")
    @Timespan(Timespan.NANOSECONDS)
    long latency;

    @Label("Status")
    @Description("As the driver got it")
    int status;
}
