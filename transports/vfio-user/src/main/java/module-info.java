module org.vfio4j.vfiouser {
    requires static org.jspecify;
    requires transitive org.vfio4j.vfio;

    exports org.vfio4j.vfiouser;
}
