module org.vfio4j.sys {
    requires static org.jspecify;

    exports org.vfio4j.sys;
}
