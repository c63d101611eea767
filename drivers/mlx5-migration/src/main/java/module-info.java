module org.vfio4j.mlx5migration {
    requires static org.jspecify;
    requires org.vfio4j.uapi;
    requires org.vfio4j.sys;
    requires org.vfio4j.vfio;
    requires transitive org.vfio4j.vfiopcicore;
    requires transitive org.vfio4j.mlx5;

    exports org.vfio4j.mlx5migration;
}
