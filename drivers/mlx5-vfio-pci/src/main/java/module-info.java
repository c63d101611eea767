module org.vfio4j.mlx5vfiopci {
    requires static org.jspecify;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires org.vfio4j.vfio;
    requires org.vfio4j.vfiopcicore;
    requires org.vfio4j.mlx5;
    requires org.vfio4j.mlx5core;
    requires org.vfio4j.mlx5migration;

    exports org.vfio4j.mlx5vfiopci;

    provides org.vfio4j.bus.PciDriver with
            org.vfio4j.mlx5vfiopci.Mlx5VfioPciDriver;
    provides org.vfio4j.bus.AuxiliaryDriver with
            org.vfio4j.mlx5vfiopci.Mlx5VfioPciAuxiliaryDriver;
}
