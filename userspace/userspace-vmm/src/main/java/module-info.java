module org.vfio4j.userspace.vmm {
    requires static org.jspecify;
    requires org.vfio4j.uapi;
    requires org.vfio4j.sys;
    requires org.vfio4j.bus;
    requires transitive org.vfio4j.vfio;
    requires transitive org.vfio4j.userspace.dma;
    requires org.vfio4j.userspace.disk;
    requires org.vfio4j.userspace.virtioblk;
    requires org.vfio4j.userspace.nvme;

    exports org.vfio4j.userspace.vmm;
}
