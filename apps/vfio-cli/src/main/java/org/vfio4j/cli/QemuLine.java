package org.vfio4j.cli;

/** What to add to a QEMU command line. */
final class QemuLine {

    /** Memory that the server can reach: QEMU shares it by descriptor. */
    static final String MEMORY =
            "-object memory-backend-memfd,id=mem0,size=2G,share=on -machine memory-backend=mem0 -m 2G";

    private QemuLine() {}

    /** The device, for a shell. */
    static String device(String socket) {
        String path = socket.replace("\\", "\\\\").replace("\"", "\\\"").replace("'", "'\\''");
        return "-device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":\"" + path + "\"}}'";
    }
}
