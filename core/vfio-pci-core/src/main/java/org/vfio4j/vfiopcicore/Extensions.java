package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.ENODEV;

import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.sys.ErrnoException;

/** The extensions of this process. Stateless. */
final class Extensions {

    private Extensions() {}

    /** Lets every extension add what it has for the device; what one refuses undoes all, but for ENODEV. */
    static void attachAll(VfioPciCore core, PciDevice device) {
        for (VfioPciExtension extension : load()) {
            try {
                extension.attach(core, device);
            } catch (ErrnoException e) {
                if (e.errno() != ENODEV) {
                    core.release();
                    throw e;
                }
            }
        }
    }

    private static List<VfioPciExtension> load() {
        return ServiceLoader.load(VfioPciExtension.class, VfioPciExtension.class.getClassLoader()).stream()
                .map(ServiceLoader.Provider::get)
                .sorted(Comparator.comparing(VfioPciExtension::name))
                .toList();
    }
}
