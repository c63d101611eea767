module org.vfio4j.cli {
    requires static org.jspecify;
    requires info.picocli;
    requires tools.jackson.databind;
    requires org.snakeyaml.engine;
    requires jdk.unsupported; // sun.misc.Signal: a clean end on SIGTERM
    requires org.vfio4j.uapi;
    requires org.vfio4j.sys;
    requires org.vfio4j.bus;
    requires org.vfio4j.vfio;
    requires org.vfio4j.vfiopcicore;
    requires org.vfio4j.vfiopci;
    requires org.vfio4j.i40evfiopci;
    requires org.vfio4j.vfiopcifacts;
    requires org.vfio4j.devicemodel;
    requires org.vfio4j.block;
    requires org.vfio4j.virtioblk;
    requires org.vfio4j.nvme;
    requires org.vfio4j.i40evf;
    requires org.vfio4j.mlx5;
    requires org.vfio4j.mlx5core;
    requires org.vfio4j.mlx5vfiopci;
    requires org.vfio4j.mlx5mdev;
    requires org.vfio4j.bluefield;
    requires org.vfio4j.mdevcore;
    requires org.vfio4j.vfiomdev;
    requires org.vfio4j.mtty;
    requires org.vfio4j.fuse;
    requires org.vfio4j.sysfsfuse;
    requires org.vfio4j.vfiouser;
    requires org.vfio4j.vfiolinux;
    requires org.vfio4j.userspace.virtioblk;
    requires org.vfio4j.userspace.nvme;
    requires org.vfio4j.userspace.vmm;

    exports org.vfio4j.cli;

    // Commands and their options are filled in by the one, what is printed and read as JSON is found by the other.
    opens org.vfio4j.cli to
            info.picocli;
    opens org.vfio4j.cli.bench to
            info.picocli,
            tools.jackson.databind;
    opens org.vfio4j.cli.change to
            info.picocli;
    opens org.vfio4j.cli.config to
            info.picocli,
            tools.jackson.databind;
    opens org.vfio4j.cli.demo to
            info.picocli;
    opens org.vfio4j.cli.device to
            tools.jackson.databind;
    opens org.vfio4j.cli.guest to
            info.picocli,
            tools.jackson.databind;
    opens org.vfio4j.cli.host to
            info.picocli,
            tools.jackson.databind;
    opens org.vfio4j.cli.inspect to
            info.picocli,
            tools.jackson.databind;
    opens org.vfio4j.cli.machine to
            tools.jackson.databind;
    opens org.vfio4j.cli.mdev to
            info.picocli,
            tools.jackson.databind;
    opens org.vfio4j.cli.mdevctl to
            info.picocli;
    opens org.vfio4j.cli.serve to
            info.picocli;
    opens org.vfio4j.cli.stat to
            info.picocli,
            tools.jackson.databind;
    opens org.vfio4j.cli.state to
            info.picocli,
            tools.jackson.databind;
    opens org.vfio4j.cli.text to
            info.picocli,
            tools.jackson.databind;
}
