module org.vfio4j.virtioblk {
    requires static org.jspecify;
    requires org.vfio4j.uapi;
    requires org.vfio4j.sys;
    requires org.vfio4j.bus;
    requires org.vfio4j.devicemodel;
    requires org.vfio4j.block;

    exports org.vfio4j.virtioblk;
}
