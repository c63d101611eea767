module org.vfio4j.bus {
    requires static org.jspecify;
    requires transitive org.vfio4j.uapi;
    requires transitive org.vfio4j.sys;

    exports org.vfio4j.bus;

    uses org.vfio4j.bus.PciDriver;
    uses org.vfio4j.bus.AuxiliaryDriver;
}
