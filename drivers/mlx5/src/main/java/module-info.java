@SuppressWarnings("module")
module org.vfio4j.mlx5 {
    requires static org.jspecify;

    exports org.vfio4j.mlx5;
}
