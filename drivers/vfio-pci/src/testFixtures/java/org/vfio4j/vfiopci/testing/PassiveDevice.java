package org.vfio4j.vfiopci.testing;

import org.vfio4j.bus.DmaSpace;
import org.vfio4j.devicemodel.DeviceModel;

/** What stands behind a function that does nothing by itself. */
public final class PassiveDevice implements DeviceModel {

    @Override
    public void attachDma(DmaSpace space) {}

    @Override
    public void detachDma() {}

    @Override
    public void reset() {}

    @Override
    public void busMasterChanged(boolean enabled) {}
}
