package org.vfio4j.nvme;

import static org.vfio4j.sys.Errno.E2BIG;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.vfio4j.sys.ErrnoException;

/**
 * The namespaces of a controller by NSID: one is valid from 1 to NN, allocated when there is a namespace, active when that is
 * attached (Base 2.1.1). Belongs to the queue thread.
 */
final class NamespaceTable implements Namespaces {

    private final @Nullable NvmeNamespace[] slots;

    /**
     * The namespaces with which a controller begins, attached, from NSID 1.
     *
     * @param count NN
     * @throws ErrnoException E2BIG when there are more of them, or NN is more than a controller can have
     */
    NamespaceTable(int count, String subnqn, List<NamespaceOptions> options) {
        if (count > NvmeLimits.MAX_NAMESPACES || options.size() > count) {
            throw new ErrnoException(
                    E2BIG, options.size() + " namespaces of " + count + ", the limit is " + NvmeLimits.MAX_NAMESPACES);
        }
        slots = new @Nullable NvmeNamespace[count];
        for (int i = 0; i < options.size(); i++) {
            int nsid = i + 1;
            NamespaceOptions o = options.get(i);
            NvmeNamespace namespace = new NvmeNamespace(
                    nsid,
                    o.ids().orElseGet(() -> NamespaceIds.of(subnqn, nsid)),
                    o.backend(),
                    0,
                    o.backend().sizeBytes(),
                    LbaFormat.indexOf(o.blockBytes()));
            namespace.attached = true;
            slots[i] = namespace;
        }
    }

    @Override
    public int count() {
        return slots.length;
    }

    /** Whether a driver may name it: not 0, not the broadcast value, at most NN. */
    boolean isValid(int nsid) {
        return nsid >= 1 && nsid <= slots.length;
    }

    /** The namespace, attached or not, or null; for any number. */
    @Nullable
    NvmeNamespace allocated(int nsid) {
        return isValid(nsid) ? slots[nsid - 1] : null;
    }

    /** The namespace if it is attached, or null; for any number. */
    @Override
    public @Nullable NvmeNamespace active(int nsid) {
        NvmeNamespace namespace = allocated(nsid);
        return namespace != null && namespace.attached ? namespace : null;
    }

    /** All that are allocated, by NSID. */
    List<NvmeNamespace> allocated() {
        List<NvmeNamespace> all = new ArrayList<>();
        for (NvmeNamespace namespace : slots) {
            if (namespace != null) {
                all.add(namespace);
            }
        }
        return all;
    }

    /** Bytes of storage of all that are allocated. */
    long sizeBytes() {
        return allocated().stream().mapToLong(NvmeNamespace::sizeBytes).sum();
    }
}
