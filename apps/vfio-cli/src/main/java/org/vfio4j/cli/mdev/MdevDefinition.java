package org.vfio4j.cli.mdev;

import java.util.List;
import java.util.UUID;

/**
 * An mdev as it shall be made: what a file of mdevctl's says.
 *
 * @param parent of which it is made
 * @param uuid its name
 * @param type as {@code mtty-2}
 * @param auto whether it is made whenever its parent is there
 * @param attributes set one after the other once it is made
 */
public record MdevDefinition(String parent, UUID uuid, String type, boolean auto, List<Attribute> attributes) {

    public MdevDefinition {
        attributes = List.copyOf(attributes);
    }

    /**
     * An attribute and its value.
     *
     * @param name as {@code port0/peer}
     */
    public record Attribute(String name, String value) {}

    /** {@code auto} or {@code manual}. */
    public String start() {
        return auto ? MdevFile.AUTO : MdevFile.MANUAL;
    }

    public MdevDefinition withType(String newType) {
        return new MdevDefinition(parent, uuid, newType, auto, attributes);
    }

    public MdevDefinition withAuto(boolean newAuto) {
        return new MdevDefinition(parent, uuid, type, newAuto, attributes);
    }

    public MdevDefinition withAttributes(List<Attribute> newAttributes) {
        return new MdevDefinition(parent, uuid, type, auto, newAttributes);
    }
}
