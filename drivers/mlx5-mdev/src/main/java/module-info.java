module org.vfio4j.mlx5mdev {
    requires static org.jspecify;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires org.vfio4j.vfio;
    requires org.vfio4j.vfiopcicore;
    requires org.vfio4j.mdevcore;
    requires org.vfio4j.vfiomdev;
    requires org.vfio4j.mlx5;
    requires org.vfio4j.mlx5core;
    requires org.vfio4j.mlx5migration;

    exports org.vfio4j.mlx5mdev;

    provides org.vfio4j.bus.AuxiliaryDriver with
            org.vfio4j.mlx5mdev.Mlx5MdevDriver;
}
