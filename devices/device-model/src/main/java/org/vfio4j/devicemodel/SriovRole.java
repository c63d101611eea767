package org.vfio4j.devicemodel;

import java.util.List;
import org.vfio4j.bus.PciFunction;

/** What an emulated function has to do with SR-IOV (PCI Express Base 6.0, 9). */
public sealed interface SriovRole {

    /** Nothing. */
    SriovRole NONE = new None();

    /** It is a virtual function: without an interrupt pin, and without ids and BARs of its own. */
    SriovRole VIRTUAL = new Virtual();

    /**
     * It has virtual functions, of its own kind. They are right behind it on the bus.
     *
     * @param functions at least one, all with the same BARs; their maker closes them
     */
    static SriovRole physical(List<? extends PciFunction> functions) {
        return new Physical(List.copyOf(functions));
    }

    /** Gives a function that is built what belongs to its role. */
    void addTo(EmulatedFunctionBuilder builder, int deviceId);

    /** See {@link #NONE}. */
    record None() implements SriovRole {
        @Override
        public void addTo(EmulatedFunctionBuilder builder, int deviceId) {
            builder.intx();
        }
    }

    /** See {@link #VIRTUAL}. */
    record Virtual() implements SriovRole {
        @Override
        public void addTo(EmulatedFunctionBuilder builder, int deviceId) {
            builder.virtualFunction();
        }
    }

    /** See {@link #physical}. */
    record Physical(List<PciFunction> functions) implements SriovRole {
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
