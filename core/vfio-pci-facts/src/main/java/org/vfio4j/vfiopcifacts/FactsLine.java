package org.vfio4j.vfiopcifacts;

import static org.vfio4j.bus.PciDeviceId.ANY;

import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.vfio4j.bus.PciDeviceId;

/**
 * One line of a facts file: ids, and what holds of the functions that have them.
 *
 * @param id what it is about
 * @param values each fact that it states, as {@link FactKey#parse} gives it
 */
record FactsLine(PciDeviceId id, Map<FactKey, Integer> values) {

    private static final int ID_DIGITS = 4;
    private static final int CLASS_DIGITS = 6;
    private static final String ID_FORM = "vendor:device[:subvendor:subdevice][:class/mask] is needed";

    /**
     * Parses {@code id key=value...}.
     *
     * @param words at least one, without white space
     * @throws FactsSyntax when it is not one
     */
    static FactsLine parse(List<String> words) throws FactsSyntax {
        PciDeviceId id = id(words.getFirst());
        if (words.size() == 1) {
            throw new FactsSyntax(words.getFirst() + " without a fact, one key=value is needed at least");
        }
        Map<FactKey, Integer> values = new EnumMap<>(FactKey.class);
        for (String word : words.subList(1, words.size())) {
            int equals = word.indexOf('=');
            if (equals < 0) {
                throw new FactsSyntax(word + ", key=value is needed");
            }
            String name = word.substring(0, equals);
            FactKey key = FactKey.of(name)
                    .orElseThrow(() -> new FactsSyntax("unknown fact " + name + ", there are " + FactKey.spellings()));
            if (values.put(key, key.parse(word.substring(equals + 1))) != null) {
                throw new FactsSyntax(key.spelling() + " twice, a line states a fact once");
            }
        }
        return new FactsLine(id, values);
    }

    private static PciDeviceId id(String word) throws FactsSyntax {
        String[] parts = word.split(":", -1);
        boolean hasClass = parts[parts.length - 1].contains("/");
        int ids = parts.length - (hasClass ? 1 : 0);
        if (ids != 2 && ids != 4) {
            throw new FactsSyntax("id " + word + ", " + ID_FORM);
        }
        int subvendor = ids == 4 ? idPart(parts[2]) : ANY;
        int subdevice = ids == 4 ? idPart(parts[3]) : ANY;
        int classCode = 0;
        int classMask = 0;
        if (hasClass) {
            String[] both = parts[ids].split("/", -1);
            classCode = Hex.parse(both[0], CLASS_DIGITS);
            classMask = both.length == 2 ? Hex.parse(both[1], CLASS_DIGITS) : -1;
            if (classCode < 0 || classMask < 0 || (classCode & ~classMask) != 0) {
                throw new FactsSyntax("class " + parts[ids]
                        + ", class/mask of 6 hexadecimal digits each is needed, and no class outside its mask");
            }
        }
        return new PciDeviceId(idPart(parts[0]), idPart(parts[1]), subvendor, subdevice, classCode, classMask, false);
    }

    private static int idPart(String part) throws FactsSyntax {
        int id = part.equals("*") ? ANY : Hex.parse(part, ID_DIGITS);
        if (id < 0 && !part.equals("*")) {
            throw new FactsSyntax("id part '" + part + "', 4 hexadecimal digits or * are needed");
        }
        return id;
    }
}
