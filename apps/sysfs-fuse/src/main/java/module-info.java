module org.vfio4j.sysfsfuse {
    requires static org.jspecify;
    requires org.vfio4j.uapi;
    requires transitive org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires transitive org.vfio4j.mdevcore;
    requires transitive org.vfio4j.fuse;

    exports org.vfio4j.sysfsfuse;
}
