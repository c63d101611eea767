module org.vfio4j.vfiomdev {
    requires static org.jspecify;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires transitive org.vfio4j.vfio;
    requires transitive org.vfio4j.mdevcore;

    exports org.vfio4j.vfiomdev;
}
