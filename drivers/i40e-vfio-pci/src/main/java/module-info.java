module org.vfio4j.i40evfiopci {
    requires static org.jspecify;
    requires org.vfio4j.uapi;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires org.vfio4j.vfio;
    requires org.vfio4j.vfiopcicore;
    requires org.vfio4j.i40e;

    exports org.vfio4j.i40evfiopci;

    provides org.vfio4j.bus.PciDriver with
            org.vfio4j.i40evfiopci.I40eVfioPciDriver;
}
