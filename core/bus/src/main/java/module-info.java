module org.vfio4j.bus {
    requires static org.jspecify;
    requires org.vfio4j.uapi;

    exports org.vfio4j.bus;
}
