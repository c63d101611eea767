module org.vfio4j.vfio {
    requires static org.jspecify;
    requires transitive org.vfio4j.uapi;
    requires transitive org.vfio4j.sys;
    requires transitive org.vfio4j.bus;

    exports org.vfio4j.vfio;
}
