package org.vfio4j.cli.keep;

import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.BarMemory;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.cli.device.Storage;
import org.vfio4j.cli.machine.KeptFunction;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;
import org.vfio4j.devicemodel.FunctionJournal;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileStat;

/**
 * The memory of a machine's functions that outlives their process: what each keeps of itself, disks in memory, and doorbells that users have
 * mapped. For all threads.
 */
final class KeptMemory implements AutoCloseable {

    private final Estate left;
    // By name. A virtual function that is turned off leaves its own for when it is turned on again.
    private final Map<String, KeptFunction> functions = new LinkedHashMap<>();
    private final Map<String, FunctionJournal> journals = new HashMap<>();

    /** @param left what the last server has left; it stays the caller's */
    KeptMemory(Estate left) {
        this.left = left;
    }

    /** Storage as the last server has left it. */
    Storage storage() {
        return new Storage() {

            @Override
            public FileBackend file(Path path, boolean readOnly, FileIoMode mode, FileCaching caching) {
                return FileBackend.openUnclaimed(path, readOnly, mode, caching);
            }

            @Override
            public BlockBackend memory(PciAddress address, int index, long sizeBytes) {
                Fd memory = left.find(diskName(address, index))
                        .orElseThrow(() -> new ErrnoException(
                                EINVAL, "go on with " + address + ": there was no disk in memory before"));
                return MemoryBackend.shared(memory, sizeBytes);
            }

            @Override
            public Optional<Fd> doorbells(PciAddress address) {
                return left.find(doorbellsName(address));
            }
        };
    }

    /**
     * Checks that a function can go on, or begin; touches nothing.
     *
     * @throws ErrnoException EOPNOTSUPP when it keeps nothing of itself; EINVAL when another version has kept it
     */
    void check(MachineFunction function) {
        long bytes = KeptFunction.sizeBytes(function.functionJournal().sizeBytes());
        Fd before = left.fds().get(journalName(function));
        if (before != null) {
            long there = FileStat.of(before).size();
            if (there != bytes) {
                throw new ErrnoException(
                        EINVAL,
                        "go on with " + function.device() + ": it has " + there + " bytes of another version or of"
                                + " other settings, not " + bytes);
            }
        }
    }

    /** Where a function keeps itself: as the last server has left it, or as it was before in this one, or anew. */
    synchronized KeptFunction of(MachineFunction function) {
        String name = journalName(function);
        KeptFunction found = functions.get(name);
        if (found == null) {
            FunctionJournal journal = function.functionJournal();
            long bytes = journal.sizeBytes();
            Optional<Fd> before = left.find(name);
            found = new KeptFunction(before.orElseGet(() -> KeptFunction.create(bytes)), bytes);
            if (before.isEmpty()) {
                // A DPU's disk may go to another server, and one that is claimed later is another's still.
                found.setClaimedUnused(!function.isEmulatedByDpu()
                        && function.storages().stream().allMatch(BlockBackend::isClaimed));
            }
            functions.put(name, found);
            journals.put(name, journal);
        }
        return found;
    }

    /** A function is closed, and does not come back; nor do its virtual ones. */
    synchronized void forget(MachineFunction function) {
        // Others may come to their places.
        function.emulated().keySet().forEach(this::forget);
    }

    private void forget(PciAddress place) {
        String address = place.toString();
        left.forget(name -> List.of(name.split(" ")).contains(address));
        journals.remove(journalName(place));
        KeptFunction gone = functions.remove(journalName(place));
        if (gone != null) {
            gone.close();
        }
    }

    /** All that the next server is to find; the caller's. */
    synchronized Estate estate(Machine machine, List<String> notes) {
        Map<String, Fd> fds = new LinkedHashMap<>();
        functions.forEach((name, kept) -> fds.put(name, kept.memory().dup()));
        for (MachineFunction function : machine.functions()) {
            function.emulated().forEach((address, device) -> {
                List<BlockBackend> storages = device.storages();
                for (int i = 0; i < storages.size(); i++) {
                    String name = diskName(address, i);
                    storages.get(i).shareMemory().ifPresent(fd -> put(fds, name, fd));
                }
                doorbells(device.function()).ifPresent(fd -> put(fds, doorbellsName(address), fd.dup()));
            });
        }
        return new Estate(fds, notes);
    }

    synchronized void freeze() {
        functions.values().forEach(KeptFunction::freeze);
        journals.values().forEach(FunctionJournal::freeze);
    }

    @Override
    public synchronized void close() {
        functions.values().forEach(KeptFunction::close);
    }

    private static Optional<Fd> doorbells(PciFunction function) {
        return function.bars().stream()
                .flatMap(bar -> function.barMemory(bar.index()).stream())
                .map(BarMemory::fd)
                .findFirst();
    }

    // A virtual function that is on is found twice.
    private static void put(Map<String, Fd> fds, String name, Fd fd) {
        Fd before = fds.put(name, fd);
        if (before != null) {
            before.close();
        }
    }

    private static String journalName(MachineFunction function) {
        return journalName(function.device().address());
    }

    private static String journalName(PciAddress address) {
        return "journal " + address;
    }

    private static String diskName(PciAddress address, int index) {
        return "memory " + address + " " + index;
    }

    private static String doorbellsName(PciAddress address) {
        return "doorbells " + address;
    }
}
