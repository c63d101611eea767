package org.vfio4j.sys;

import java.util.ArrayList;
import java.util.List;

/**
 * A few mappings, never changed: what has one more or one less is another object. So whoever keeps one sees by a look whether there is
 * news, and by the mappings' identity which; by their addresses it would not, since the kernel gives an address again.
 */
public final class MappingSet {

    public static final MappingSet EMPTY = new MappingSet(List.of());

    /** How many there are at most. */
    public static final int LIMIT = 64;

    private final List<Mapping> all;

    private MappingSet(List<Mapping> all) {
        this.all = all;
    }

    public List<Mapping> all() {
        return all;
    }

    /** With one that is not among them yet: the same set when it is full. */
    public MappingSet plus(Mapping mapping) {
        if (all.size() == LIMIT) {
            return this;
        }
        List<Mapping> more = new ArrayList<>(all);
        more.add(mapping);
        return new MappingSet(List.copyOf(more));
    }

    /** Without one: the same set when it is not among them. */
    public MappingSet minus(Mapping mapping) {
        if (!all.contains(mapping)) {
            return this;
        }
        return new MappingSet(
                all.stream().filter(other -> !other.equals(mapping)).toList());
    }
}
