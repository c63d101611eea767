package org.vfio4j.i40evf;

import java.util.List;
import org.vfio4j.i40e.I40eRing;
import org.vfio4j.i40e.I40eVfControl;

/** What the driver of the physical function could do for this function, if there were one. Called as {@link I40eVf} is. */
final class VfControl implements I40eVfControl {

    private static final int TYPICAL_BYTES = 4096;

    private final I40eVf vf;

    VfControl(I40eVf vf) {
        this.vf = vf;
    }

    @Override
    public void suspend() {
        vf.quiesce();
    }

    @Override
    public void resume() {
        vf.resume();
    }

    @Override
    public byte[] saveState() {
        return vf.save();
    }

    @Override
    public int stateBytes() {
        return TYPICAL_BYTES;
    }

    @Override
    public void loadState(byte[] state) {
        vf.load(state);
    }

    @Override
    public List<I40eRing> rings() {
        return vf.rings();
    }
}
