module org.vfio4j.bluefield {
    requires static org.jspecify;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires org.vfio4j.devicemodel;
    requires transitive org.vfio4j.block;
    requires transitive org.vfio4j.virtioblk;
    requires org.vfio4j.nvme;
    requires transitive org.vfio4j.mlx5;

    exports org.vfio4j.bluefield;
}
