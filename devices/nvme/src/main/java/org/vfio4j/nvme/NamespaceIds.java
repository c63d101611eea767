package org.vfio4j.nvme;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.UUID;

/**
 * The names of a namespace that stay when its NSID changes (Base 4.5.1).
 *
 * @param uuid always there
 * @param nguid 16 bytes in the order of the specification, as a UUID's; one must have an OUI to give any
 * @param eui64 8 bytes, or 0 for none
 */
public record NamespaceIds(UUID uuid, Optional<UUID> nguid, long eui64) {

    /** Of the namespace with this NSID in a subsystem: the same every time. */
    static NamespaceIds of(String subnqn, int nsid) {
        byte[] name = (subnqn + ":" + nsid).getBytes(StandardCharsets.UTF_8);
        return new NamespaceIds(UUID.nameUUIDFromBytes(name), Optional.empty(), 0);
    }
}
