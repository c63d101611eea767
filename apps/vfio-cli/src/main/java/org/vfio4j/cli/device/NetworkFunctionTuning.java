package org.vfio4j.cli.device;

/** What a DPU's network function can be asked: to emulate others. */
record NetworkFunctionTuning(SnapPort snap) implements DeviceTuning {

    @Override
    public SnapPort snapPort() {
        return snap;
    }
}
