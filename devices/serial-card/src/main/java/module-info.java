module org.vfio4j.serialcard {
    requires static org.jspecify;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires transitive org.vfio4j.devicemodel;

    exports org.vfio4j.serialcard;
}
