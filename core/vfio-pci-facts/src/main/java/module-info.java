module org.vfio4j.vfiopcifacts {
    requires static org.jspecify;
    requires org.vfio4j.uapi;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;

    exports org.vfio4j.vfiopcifacts;
}
