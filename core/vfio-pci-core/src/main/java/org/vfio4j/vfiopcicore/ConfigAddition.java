package org.vfio4j.vfiopcicore;

/** Something that a device's configuration space has beyond what its function has. Installed anew at each open. */
interface ConfigAddition {

    /**
     * Adds it behind everything that comes from the function.
     *
     * @throws org.vfio4j.sys.ErrnoException EINVAL when there is no place for it
     */
    void install(ConfigSpace config, CapabilityList capabilities);
}
