package org.vfio4j.i40evfiopci;

import org.vfio4j.bus.PciBus;
import org.vfio4j.sys.ErrnoException;

/** Which generation of migration the driver offers: an object of this type on the bus chooses, for devices bound after. */
public enum I40eMigration {
    /** A region of type MIGRATION, and trapped tail registers to know dirty pages by. */
    V1,
    /** Device states, and the device's own log of what it writes. */
    V2;

    static I40eMigration of(PciBus bus) {
        try {
            return bus.service(I40eMigration.class);
        } catch (ErrnoException e) {
            // Nobody has chosen.
            return V2;
        }
    }
}
