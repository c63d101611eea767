package org.vfio4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import tools.jackson.databind.json.JsonMapper;

/**
 * In what the functions of a machine that serves are others than its description says: those that a DPU was asked for, and numbers of virtual
 * functions. As notes, for the next server to begin with. Safe for all threads.
 */
final class KeptChanges {

    private static final String EMULATED = "emulated ";
    private static final String NUM_VFS = "numvfs ";

    /**
     * A function that a DPU was asked for.
     *
     * @param words its kind and settings
     * @param driver empty for the one that its auxiliary device gets
     * @param socket empty for nowhere
     */
    private record Emulated(String by, String address, List<String> words, String driver, String socket) {

        static Emulated of(PciAddress address, Emulation how) {
            return new Emulated(
                    how.networkFunction().toString(),
                    address.toString(),
                    how.words(),
                    how.driver().orElse(""),
                    how.socket().map(path -> path.toAbsolutePath().toString()).orElse(""));
        }

        static Emulated parse(String json) {
            return JsonMapper.builder().build().readValue(json, Emulated.class);
        }

        String json() {
            return new JsonWriter()
                    .object()
                    .field("by", by)
                    .field("address", address)
                    .field("words", words)
                    .field("driver", driver)
                    .field("socket", socket)
                    .end()
                    .toString();
        }

        Emulation again(DeviceKinds kinds) {
            return new Emulation(
                    PciAddress.parse(by),
                    Optional.of(PciAddress.parse(address)),
                    kinds.plan(
                            words.getFirst(),
                            words.stream().skip(1).map(Setting::of).toList()),
                    Optional.of(driver).filter(name -> !name.isEmpty()),
                    Optional.of(socket).filter(path -> !path.isEmpty()).map(Path::of),
                    words);
        }
    }

    private final Map<PciAddress, Emulated> emulated = new LinkedHashMap<>();
    private final Map<PciAddress, Integer> numVfs = new HashMap<>();

    /** @param notes what {@link #notes} of the last server gave */
    KeptChanges(List<String> notes) {
        for (String note : notes) {
            if (note.startsWith(EMULATED)) {
                Emulated function = Emulated.parse(note.substring(EMULATED.length()));
                emulated.put(PciAddress.parse(function.address()), function);
            } else if (note.startsWith(NUM_VFS)) {
                String[] words = note.substring(NUM_VFS.length()).split(" ");
                numVfs.put(PciAddress.parse(words[0]), Integer.valueOf(words[1]));
            }
        }
    }

    synchronized List<String> notes() {
        List<String> notes = new ArrayList<>();
        emulated.values().forEach(function -> notes.add(EMULATED + function.json()));
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
        emulated.put(address, Emulated.of(address, how));
    }

    synchronized void remove(PciAddress address) {
        emulated.remove(address);
    }

    synchronized int numVfs(PciAddress physical, int planned) {
        return numVfs.getOrDefault(physical, planned);
    }

    synchronized void setNumVfs(PciAddress physical, int count) {
        numVfs.put(physical, count);
    }
}
