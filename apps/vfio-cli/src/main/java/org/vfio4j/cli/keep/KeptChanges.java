package org.vfio4j.cli.keep;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.device.EmulatedWords;
import org.vfio4j.cli.device.Emulation;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.JsonWriter;
import tools.jackson.databind.json.JsonMapper;

/**
 * In what the functions of a machine that serves are others than its description says: those that a DPU was asked for, and numbers of virtual
 * functions. As notes, for the next server to begin with. Safe for all threads.
 */
final class KeptChanges {

    private static final String EMULATED = "emulated ";
    private static final String NUM_VFS = "numvfs ";

    private final Map<PciAddress, EmulatedWords> emulated = new LinkedHashMap<>();
    private final Map<PciAddress, Integer> numVfs = new HashMap<>();

    /** @param notes what {@link #notes} of the last server gave */
    KeptChanges(List<String> notes) {
        for (String note : notes) {
            if (note.startsWith(EMULATED)) {
                EmulatedWords function = parse(note.substring(EMULATED.length()));
                emulated.put(PciAddress.parse(function.address()), function);
            } else if (note.startsWith(NUM_VFS)) {
                String[] words = note.substring(NUM_VFS.length()).split(" ");
                numVfs.put(PciAddress.parse(words[0]), Integer.valueOf(words[1]));
            }
        }
    }

    private static EmulatedWords parse(String json) {
        return JsonMapper.builder().build().readValue(json, EmulatedWords.class);
    }

    synchronized List<String> notes() {
        List<String> notes = new ArrayList<>();
        emulated.values().forEach(function -> notes.add(EMULATED + function.write(new JsonWriter())));
        numVfs.forEach((address, count) -> notes.add(NUM_VFS + address + " " + count));
        return notes;
    }

    /** The functions that a DPU was asked for, in their order. */
    synchronized List<PciAddress> emulated() {
        return List.copyOf(emulated.keySet());
    }

    synchronized boolean isEmulated(PciAddress address) {
        return emulated.containsKey(address);
    }

    /**
     * How to have one again.
     *
     * @throws CliException when this version does not know its settings
     */
    synchronized Optional<Emulation> again(PciAddress address, DeviceKinds kinds) {
        return Optional.ofNullable(emulated.get(address)).map(function -> function.again(kinds));
    }

    synchronized void add(PciAddress address, Emulation how) {
        emulated.put(address, EmulatedWords.of(address, how));
    }

    synchronized void remove(PciAddress address) {
        emulated.remove(address);
        numVfs.remove(address);
    }

    synchronized int numVfs(PciAddress physical, int planned) {
        return numVfs.getOrDefault(physical, planned);
    }

    synchronized void setNumVfs(PciAddress physical, int count) {
        numVfs.put(physical, count);
    }
}
