module org.vfio4j.fuse {
    requires static org.jspecify;
    requires transitive org.vfio4j.sys;

    exports org.vfio4j.fuse;
}
