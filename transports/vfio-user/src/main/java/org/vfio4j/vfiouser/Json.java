package org.vfio4j.vfiouser;

import java.math.BigDecimal;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A JSON value (RFC 8259), as the VERSION message carries it. Immutable. */
sealed interface Json {

    record Obj(Map<String, Json> members) implements Json {

        public Obj {
            members = Map.copyOf(members);
        }

        Optional<Json> member(String name) {
            return Optional.ofNullable(members.get(name));
        }
    }

    record Arr(List<Json> elements) implements Json {

        public Arr {
            elements = List.copyOf(elements);
        }
    }

    record Str(String value) implements Json {}

    record Num(BigDecimal value) implements Json {}

    record Bool(boolean value) implements Json {}

    record Null() implements Json {}
}
