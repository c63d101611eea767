package org.vfio4j.sysfsfuse;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Supplier;
import org.vfio4j.fuse.FuseNode;

/** A directory that is put together of parts. What is in it is made when it is looked at. */
final class Entries implements FuseNode.Directory {

    private final Map<String, Supplier<FuseNode>> fixed = new LinkedHashMap<>();
    private final List<Part> parts = new ArrayList<>();

    private record Part(Supplier<List<String>> names, Function<String, Optional<FuseNode>> find) {}

    /** Adds an entry. */
    Entries with(String name, Supplier<FuseNode> node) {
        fixed.put(name, node);
        return this;
    }

    /** Adds a link from this directory, {@code at}, to another place in the tree. */
    Entries link(TreePath at, String name, TreePath to) {
        return with(name, () -> at.linkTo(to));
    }

    /** Adds entries that come and go. */
    Entries with(Supplier<List<String>> names, Function<String, Optional<FuseNode>> find) {
        parts.add(new Part(names, find));
        return this;
    }

    /** Adds all that another directory has. */
    Entries with(FuseNode.Directory other) {
        return with(other::names, other::find);
    }

    @Override
    public List<String> names() {
        List<String> names = new ArrayList<>(fixed.keySet());
        parts.forEach(part -> names.addAll(part.names().get()));
        return names;
    }

    @Override
    public Optional<FuseNode> find(String name) {
        Supplier<FuseNode> known = fixed.get(name);
        if (known != null) {
            return Optional.of(known.get());
        }
        for (Part part : parts) {
            Optional<FuseNode> found = part.find().apply(name);
            if (found.isPresent()) {
                return found;
            }
        }
        return Optional.empty();
    }
}
