package org.vfio4j.sysfsfuse;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.fuse.FuseNode;

/** Walks a tree as the kernel does, links included. */
record Walk(FuseNode.Directory root) {

    /** What a path leads to, wherever its links lead. */
    Optional<FuseNode> find(String path) {
        return find(Path.of("/"), Path.of(path), 0);
    }

    private Optional<FuseNode> find(Path from, Path path, int depth) {
        FuseNode node = root;
        Path at = Path.of("/");
        for (Path name : from.resolve(path).normalize()) {
            Optional<FuseNode> next =
                    node instanceof FuseNode.Directory directory ? directory.find(name.toString()) : Optional.empty();
            if (next.isPresent() && next.get() instanceof FuseNode.Link link && depth < 8) {
                Path target = at.resolve(link.target()).normalize();
                next = find(target, Path.of(""), depth + 1);
                at = target;
            } else {
                at = at.resolve(name);
            }
            if (next.isEmpty()) {
                return Optional.empty();
            }
            node = next.get();
        }
        return Optional.of(node);
    }

    List<String> list(String path) {
        return ((FuseNode.Directory) find(path).orElseThrow()).names();
    }

    String read(String path) {
        FuseNode.Handle handle = ((FuseNode.File) find(path).orElseThrow()).open();
        return new String(handle.read(0, 4096), StandardCharsets.UTF_8);
    }

    void write(String path, String text) {
        FuseNode.Handle handle = ((FuseNode.File) find(path).orElseThrow()).open();
        handle.write(0, text.getBytes(StandardCharsets.UTF_8));
    }

    /** All paths, without going through links. */
    List<String> all() {
        List<String> found = new ArrayList<>();
        all("", root, found);
        return found;
    }

    private static void all(String at, FuseNode.Directory directory, List<String> found) {
        for (String name : directory.names()) {
            String path = at + "/" + name;
            FuseNode node = directory.find(name).orElseThrow(() -> new AssertionError(path + " is listed only"));
            found.add(path);
            if (node instanceof FuseNode.Directory below) {
                all(path, below, found);
            }
        }
    }
}
