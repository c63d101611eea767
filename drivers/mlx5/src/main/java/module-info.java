@SuppressWarnings("module")
module org.vfio4j.mlx5 {
    requires static org.jspecify;
    requires transitive org.vfio4j.bus;

    exports org.vfio4j.mlx5;
}
