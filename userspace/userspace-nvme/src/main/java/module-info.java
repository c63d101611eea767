module org.vfio4j.userspace.nvme {
    requires static org.jspecify;
    requires org.vfio4j.uapi;
    requires org.vfio4j.sys;
    requires org.vfio4j.bus;
    requires transitive org.vfio4j.vfio;
    requires transitive org.vfio4j.userspace.dma;
    requires transitive org.vfio4j.userspace.disk;

    exports org.vfio4j.userspace.nvme;
}
