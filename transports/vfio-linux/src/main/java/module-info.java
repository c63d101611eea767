module org.vfio4j.vfiolinux {
    requires static org.jspecify;
    requires org.vfio4j.uapi;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires transitive org.vfio4j.vfio;

    exports org.vfio4j.vfiolinux;
}
