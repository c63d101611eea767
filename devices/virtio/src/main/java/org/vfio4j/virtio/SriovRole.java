package org.vfio4j.virtio;

import static org.vfio4j.virtio.VirtioConfig.VIRTIO_F_SR_IOV;

import java.util.List;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.EmulatedFunctionBuilder;
import org.vfio4j.devicemodel.VirtualFunctions;

/** What a function has to do with SR-IOV (PCI Express Base 6.0, 9; virtio 1.2, 6: VIRTIO_F_SR_IOV). */
public sealed interface SriovRole {

    /** Nothing. */
    SriovRole NONE = new None();

    /** It is a virtual function: without an interrupt pin, and without ids and BARs of its own. */
    SriovRole VIRTUAL = new Virtual();

    /**
     * It has virtual functions, of its own kind.
     *
     * @param functions at least one, all with the same BARs; their maker closes them
     */
    static SriovRole physical(List<PciFunction> functions) {
        return new Physical(List.copyOf(functions));
    }

    /** What it offers besides. */
    long features();

    void addTo(EmulatedFunctionBuilder builder, int deviceId);

    /** See {@link #NONE}. */
    record None() implements SriovRole {
        @Override
        public long features() {
            return 0;
        }

        @Override
        public void addTo(EmulatedFunctionBuilder builder, int deviceId) {
            builder.intx();
        }
    }

    /** See {@link #VIRTUAL}. */
    record Virtual() implements SriovRole {
        @Override
        public long features() {
            return 0;
        }

        @Override
        public void addTo(EmulatedFunctionBuilder builder, int deviceId) {
            builder.virtualFunction();
        }
    }

    /** See {@link #physical}. They are right behind it on the bus. */
    record Physical(List<PciFunction> functions) implements SriovRole {
        @Override
        public long features() {
            return 1L << VIRTIO_F_SR_IOV;
        }

        @Override
        public void addTo(EmulatedFunctionBuilder builder, int deviceId) {
            builder.intx()
                    .sriov(new VirtualFunctions(
                            functions.size(),
                            deviceId,
                            1,
                            1,
                            functions.getFirst().bars(),
                            functions::get));
        }
    }
}
