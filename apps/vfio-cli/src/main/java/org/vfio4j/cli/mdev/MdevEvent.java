package org.vfio4j.cli.mdev;

import org.vfio4j.cli.text.JsonWriter;
import tools.jackson.databind.JsonNode;

/**
 * What happens to mdevs and their parents, as the kernel's uevents tell it. Fields are only ever added.
 *
 * @param action {@code add} or {@code remove} of an mdev, {@code change} of a parent
 * @param devpath the device's directory below /sys
 * @param mdevState {@code registered} or {@code unregistered} for a parent, empty for an mdev
 * @param pid the process that has it
 */
public record MdevEvent(String action, String devpath, String mdevState, long pid) {

    /** The kind of a line about one. */
    public static final String KIND = "MdevEvent";

    public void write(JsonWriter json) {
        json.object().field("action", action).field("devpath", devpath);
        json.field("mdevState", mdevState).field("pid", pid).end();
    }

    public static MdevEvent parse(JsonNode json) {
        return new MdevEvent(
                json.path("action").asString(""),
                json.path("devpath").asString(""),
                json.path("mdevState").asString(""),
                json.path("pid").asLong(0));
    }

    /** For people: as {@code udevadm monitor} has it. */
    public String text() {
        String what = mdevState.isEmpty() ? "(mdev)" : "MDEV_STATE=" + mdevState;
        return action + " ".repeat(Math.max(1, 9 - action.length())) + devpath + " " + what + " " + pid;
    }
}
