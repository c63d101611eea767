module org.vfio4j.testkit {
    requires static org.jspecify;
    requires transitive org.vfio4j.vfio;
    requires java.logging;
    requires jdk.management;

    exports org.vfio4j.testkit;
}
