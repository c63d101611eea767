module org.vfio4j.vfiopci {
    requires static org.jspecify;
    requires transitive org.vfio4j.bus;
    requires org.vfio4j.vfio;
    requires org.vfio4j.vfiopcicore;
    requires org.vfio4j.vfiopcifacts;

    exports org.vfio4j.vfiopci;

    provides org.vfio4j.bus.PciDriver with
            org.vfio4j.vfiopci.VfioPciDriver;
}
