module org.vfio4j.testkit {
    requires static org.jspecify;
    requires static org.junit.platform.launcher;
    requires transitive org.vfio4j.vfio;
    requires java.logging;
    requires jdk.management;

    exports org.vfio4j.testkit;

    provides org.junit.platform.launcher.LauncherSessionListener with
            org.vfio4j.testkit.RuntimeDirectory;
}
