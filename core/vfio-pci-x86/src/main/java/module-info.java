// The name ends as the architecture does.
@SuppressWarnings("module")
module org.vfio4j.vfiopcix86 {
    requires static org.jspecify;
    requires org.vfio4j.uapi;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires transitive org.vfio4j.vfio;
    requires transitive org.vfio4j.vfiopcicore;

    exports org.vfio4j.vfiopcix86;

    provides org.vfio4j.vfiopcicore.VfioPciExtension with
            org.vfio4j.vfiopcix86.X86Extension;
}
