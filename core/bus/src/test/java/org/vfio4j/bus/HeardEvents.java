package org.vfio4j.bus;

import java.util.ArrayList;
import java.util.List;

/** A listener that notes what it hears. */
final class HeardEvents implements PciBusListener {

    final List<String> events = new ArrayList<>();

    @Override
    public void added(PciDevice device) {
        events.add("added");
    }

    @Override
    public void removed(PciDevice device) {
        events.add("removed");
    }

    @Override
    public void changed(PciDevice device) {
        events.add("changed " + device.driver().map(PciDriver::name).orElse("-"));
    }

    @Override
    public void configWritten(PciDevice device) {
        events.add("config");
    }
}
