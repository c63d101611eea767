package org.vfio4j.cli.state;

import java.util.ArrayList;
import java.util.List;
import org.vfio4j.cli.text.JsonWriter;

/** What to add to a QEMU command line. */
public final class QemuLine {

    private static final String OBJECT = "memory-backend-memfd,id=mem0,size=2G,share=on";
    private static final String MACHINE = "memory-backend=mem0";
    private static final String SIZE = "2G";

    /** Memory that the server can reach: QEMU shares it by descriptor. */
    public static final String MEMORY = "-object " + OBJECT + " -machine " + MACHINE + " -m " + SIZE;

    private QemuLine() {}

    /** The device, for a shell. */
    public static String device(String socket) {
        return "-device '" + json(socket).replace("'", "'\\''") + "'";
    }

    /** All arguments, one by one, for whoever starts QEMU without a shell. */
    static List<String> arguments(List<String> sockets) {
        List<String> arguments = new ArrayList<>(List.of("-object", OBJECT, "-machine", MACHINE, "-m", SIZE));
        sockets.forEach(socket -> arguments.addAll(List.of("-device", json(socket))));
        return arguments;
    }

    private static String json(String socket) {
        return new JsonWriter()
                .object()
                .field("driver", "vfio-user-pci")
                .object("socket")
                .field("type", "unix")
                .field("path", socket)
                .end()
                .end()
                .toString();
    }
}
