module org.vfio4j.userspace.dma {
    requires static org.jspecify;
    requires org.vfio4j.sys;
    requires org.vfio4j.bus;
    requires transitive org.vfio4j.vfio;

    exports org.vfio4j.userspace.dma;
}
