module org.vfio4j.block {
    requires static org.jspecify;
    requires transitive org.vfio4j.sys;

    exports org.vfio4j.block;
}
