package org.vfio4j.sysfsfuse;

import java.nio.file.Path;
import org.vfio4j.bus.BusDevice;
import org.vfio4j.bus.SysfsPaths;
import org.vfio4j.fuse.FuseNode;

/**
 * A place in the tree.
 *
 * @param path from the top, as {@code /bus/pci/devices}
 */
record TreePath(Path path) {

    static final TreePath TOP = new TreePath(Path.of("/"));

    private static final SysfsPaths DEVICES = new SysfsPaths(TOP.path);

    /** As the kernel writes it: {@code /devices/virtual/mtty/mtty}. */
    static TreePath of(String path) {
        return new TreePath(Path.of("/").resolve(path));
    }

    /** A device's directory. */
    static TreePath of(BusDevice device) {
        return new TreePath(DEVICES.of(device));
    }

    TreePath in(String name) {
        return new TreePath(path.resolve(name));
    }

    /** A link that is in this directory. */
    FuseNode linkTo(TreePath target) {
        return new FuseNode.Link(path.relativize(target.path).toString());
    }
}
