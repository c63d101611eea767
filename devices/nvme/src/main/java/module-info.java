module org.vfio4j.nvme {
    requires static org.jspecify;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires transitive org.vfio4j.devicemodel;
    requires transitive org.vfio4j.block;

    exports org.vfio4j.nvme;
}
