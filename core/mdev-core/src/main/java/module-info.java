module org.vfio4j.mdevcore {
    requires static org.jspecify;
    requires transitive org.vfio4j.sys;

    exports org.vfio4j.mdevcore;
}
