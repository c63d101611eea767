module org.vfio4j.mtty {
    requires static org.jspecify;
    requires org.vfio4j.uapi;
    requires org.vfio4j.sys;
    requires org.vfio4j.bus;
    requires org.vfio4j.devicemodel;
    requires org.vfio4j.serialcard;
    requires org.vfio4j.vfiopcicore;
    requires transitive org.vfio4j.vfio;
    requires transitive org.vfio4j.mdevcore;
    requires transitive org.vfio4j.vfiomdev;

    exports org.vfio4j.mtty;
}
