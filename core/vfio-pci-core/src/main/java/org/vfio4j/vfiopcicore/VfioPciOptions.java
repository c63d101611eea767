package org.vfio4j.vfiopcicore;

import static org.vfio4j.sys.Errno.EINVAL;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.bus.PciDeviceId;
import org.vfio4j.sys.ErrnoException;

/**
 * The parameters of the kernel's vfio-pci, under their names. A bus {@linkplain PciBus#provide provides} them before its drivers
 * are loaded; a device keeps those that there were when its driver probed it.
 *
 * @param ids what the driver takes without being named by driver_override; added when the driver is registered
 * @param nointxmask leave {@code PCI_COMMAND_INTX_DISABLE} of functions alone and mask INTx only where the interrupt arrives, as
 *     for a function whose facts say {@code brokenIntxMasking}
 * @param disableVga give no VGA ranges to users
 * @param disableIdleD3 leave a function that nobody uses in D0
 * @param enableSriov let virtual functions of a physical function be turned on while the driver has it
 * @param disableDenylist take devices that are known to be unsafe with a user
 */
public record VfioPciOptions(
        List<PciDeviceId> ids,
        boolean nointxmask,
        boolean disableVga,
        boolean disableIdleD3,
        boolean enableSriov,
        boolean disableDenylist) {

    /** No ids, everything off. */
    public static final VfioPciOptions DEFAULTS = new VfioPciOptions(List.of(), false, false, false, false, false);

    private static final String IDS = "ids";
    private static final List<String> FLAGS =
            List.of("nointxmask", "disable_vga", "disable_idle_d3", "enable_sriov", "disable_denylist");

    private static final Map<String, Boolean> BOOLS = Map.of(
            "1", true, "y", true, "t", true, "on", true, "0", false, "n", false, "f", false, "off", false, "", true);

    public VfioPciOptions {
        ids = List.copyOf(ids);
    }

    /** Those of a device's bus, or the defaults. */
    public static VfioPciOptions of(PciDevice device) {
        return of(device.bus());
    }

    /** Those of a bus, or the defaults. */
    public static VfioPciOptions of(PciBus bus) {
        return bus.findService(VfioPciOptions.class).orElse(DEFAULTS);
    }

    /**
     * Parses options as a module's command line has them: {@code ids=8086:154c,15b3:101e:ffffffff:1}, {@code enable_sriov=1},
     * {@code disable_idle_d3}. A flag is on when it stands alone or with {@code 1}, {@code y}, {@code t} or {@code on}.
     *
     * @param words one option each
     * @throws ErrnoException EINVAL for an option that is unknown, given twice, or has a value that is none
     */
    public static VfioPciOptions parse(List<String> words) {
        Set<String> seen = new HashSet<>();
        Set<String> on = new HashSet<>();
        List<PciDeviceId> ids = List.of();
        for (String word : words) {
            int equals = word.indexOf('=');
            String name = equals < 0 ? word : word.substring(0, equals);
            if (!seen.add(name)) {
                throw bad(word, "it is given twice");
            }
            if (name.equals(IDS)) {
                ids = parseIds(word, word.substring(equals + 1));
            } else if (!FLAGS.contains(name)) {
                throw bad(word, "there are " + IDS + ", " + String.join(", ", FLAGS));
            } else if (isOn(word, equals)) {
                on.add(name);
            }
        }
        return new VfioPciOptions(
                ids,
                on.contains("nointxmask"),
                on.contains("disable_vga"),
                on.contains("disable_idle_d3"),
                on.contains("enable_sriov"),
                on.contains("disable_denylist"));
    }

    private static boolean isOn(String word, int equals) {
        String value = equals < 0 ? "" : word.substring(equals + 1).toLowerCase(Locale.ROOT);
        Boolean parsed = (equals >= 0 && value.isEmpty()) ? null : BOOLS.get(value);
        if (parsed == null) {
            throw bad(word, "1 or 0, y or n, t or f, on or off is needed");
        }
        return parsed;
    }

    private static List<PciDeviceId> parseIds(String word, String list) {
        List<PciDeviceId> ids = new ArrayList<>();
        for (String id : list.split(",", -1)) {
            PciDeviceId parsed;
            try {
                parsed = PciDeviceId.parse(List.of(id.split(":", -1)));
            } catch (ErrnoException e) {
                throw bad(word, "'" + id + "' is no vendor:device[:subvendor[:subdevice[:class[:class_mask]]]]");
            }
            if (ids.contains(parsed)) {
                throw bad(word, "'" + id + "' is there twice");
            }
            ids.add(parsed);
        }
        return ids;
    }

    private static ErrnoException bad(String word, String why) {
        return new ErrnoException(EINVAL, "vfio-pci option '" + word + "': " + why);
    }
}
