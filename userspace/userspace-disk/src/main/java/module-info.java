module org.vfio4j.userspace.disk {
    requires static org.jspecify;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.userspace.dma;

    exports org.vfio4j.userspace.disk;
}
