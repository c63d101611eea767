module org.vfio4j.mlx5core {
    requires static org.jspecify;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires transitive org.vfio4j.mlx5;

    exports org.vfio4j.mlx5core;

    provides org.vfio4j.bus.PciDriver with
            org.vfio4j.mlx5core.Mlx5CoreDriver;
}
