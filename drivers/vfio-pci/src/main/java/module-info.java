module org.vfio4j.vfiopci {
    requires static org.jspecify;
    requires org.vfio4j.bus;
    requires org.vfio4j.vfio;
    requires org.vfio4j.vfiopcicore;

    exports org.vfio4j.vfiopci;
}
