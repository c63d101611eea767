module org.vfio4j.i40e {
    requires static org.jspecify;

    exports org.vfio4j.i40e;
}
