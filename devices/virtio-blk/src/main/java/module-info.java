module org.vfio4j.virtioblk {
    requires static org.jspecify;
    requires org.vfio4j.sys;
    requires transitive org.vfio4j.bus;
    requires transitive org.vfio4j.devicemodel;
    requires org.vfio4j.virtio;
    requires transitive org.vfio4j.block;

    exports org.vfio4j.virtioblk;
}
