module org.vfio4j.devicemodel {
    requires static org.jspecify;
    requires jdk.jfr;
    requires org.vfio4j.uapi;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;

    exports org.vfio4j.devicemodel;
}
