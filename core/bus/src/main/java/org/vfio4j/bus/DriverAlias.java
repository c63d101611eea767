package org.vfio4j.bus;

/**
 * One alias of a driver's: what depmod writes to {@code modules.alias} for an entry of an id table. A {@code pci:} alias says
 * what the driver takes by itself, a {@code vfio_pci:} alias what it can give to users of VFIO once driver_override names it.
 *
 * @param driver the driver's name
 * @param pattern as {@code vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i*}
 */
public record DriverAlias(String driver, String pattern) {

    /** Whether a device with this modalias is meant; a {@code *} stands for any text. */
    public boolean matches(String modalias) {
        String[] parts = pattern.split("\\*", -1);
        String last = parts[parts.length - 1];
        if (parts.length == 1) {
            return pattern.equals(modalias);
        }
        int at = parts[0].length();
        if (!modalias.startsWith(parts[0])) {
            return false;
        }
        for (int i = 1; i < parts.length - 1; i++) {
            int found = modalias.indexOf(parts[i], at);
            if (found < 0) {
                return false;
            }
            at = found + parts[i].length();
        }
        return modalias.length() - at >= last.length() && modalias.endsWith(last);
    }

    /** How many fields it leaves open: of several that match, the one with the fewest knows the device best. */
    public int wildcards() {
        return (int) pattern.chars().filter(c -> c == '*').count();
    }
}
