module org.vfio4j.vfiopcicore {
    requires static org.jspecify;
    requires transitive org.vfio4j.uapi;
    requires transitive org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires transitive org.vfio4j.vfio;
    requires org.vfio4j.vfiopcifacts;

    exports org.vfio4j.vfiopcicore;

    uses org.vfio4j.vfiopcicore.VfioPciExtension;
}
