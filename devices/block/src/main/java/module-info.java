module org.vfio4j.block {
    requires static org.jspecify;
    requires org.vfio4j.sys;

    exports org.vfio4j.block;
}
