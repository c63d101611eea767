package org.vfio4j.devicemodel;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.vfio4j.bus.DmaSpace;
import org.vfio4j.bus.DmaWindow;

/** A space of windows that check how they are used; the last one opened is at hand. */
final class FakeSpace implements DmaSpace {

    volatile FakeWindow window = new FakeWindow();
    volatile boolean opened;
    final List<FakeWindow> windows = new CopyOnWriteArrayList<>();

    @Override
    public DmaWindow openWindow() {
        opened = true;
        FakeWindow made = new FakeWindow();
        windows.add(made);
        window = made;
        return made;
    }
}
