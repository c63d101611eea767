module org.vfio4j.uapi {
    requires static org.jspecify;

    exports org.vfio4j.uapi;
}
