package org.vfio4j.bus;

import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.uapi.PciRegs.PCI_CLASS_REVISION;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND;
import static org.vfio4j.uapi.PciRegs.PCI_COMMAND_MEMORY;
import static org.vfio4j.uapi.PciRegs.PCI_DEVICE_ID;
import static org.vfio4j.uapi.PciRegs.PCI_INTERRUPT_LINE;
import static org.vfio4j.uapi.PciRegs.PCI_SUBSYSTEM_ID;
import static org.vfio4j.uapi.PciRegs.PCI_SUBSYSTEM_VENDOR_ID;
import static org.vfio4j.uapi.PciRegs.PCI_VENDOR_ID;

import java.io.IOException;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.sys.FileIo;

/**
 * Keeps a directory that looks as /sys/bus/pci does for the functions of a bus, so that tools which read sysfs read it too:
 * {@code lspci -A linux-sysfs -O sysfs.path=DIR}. The {@code config} file always holds the function's own configuration space,
 * of a virtual function too: its ids read as 0xffff there.
 *
 * <p>It is written by whoever changes the bus. What goes wrong with the directory is logged and never the bus's trouble.
 */
public final class SysfsView implements PciBusListener, AutoCloseable {

    private static final System.Logger LOG = System.getLogger(SysfsView.class.getName());

    /** Marks a directory as a view's, so that nobody else's files are ever deleted. Locked while the view is kept. */
    private static final String MARK = ".vfio4j-view";

    private final PciBus bus;
    private final Path directory;
    private final Path devices;
    private final Path drivers;
    private final Fd lock;
    private final Map<PciDevice, ConfigFile> configs = new HashMap<>();

    private SysfsView(PciBus bus, Path directory, Fd lock) {
        this.bus = bus;
        this.directory = directory;
        this.lock = lock;
        devices = directory.resolve("devices");
        drivers = directory.resolve("drivers");
    }

    /**
     * Begins to keep a directory. What a view of a process that died left there is replaced.
     *
     * @param directory made when it is not there; {@code devices} and {@code drivers} in it are this view's own
     * @throws ErrnoException EEXIST when it has a {@code devices} or {@code drivers} that no view made, EBUSY when another view
     *     keeps it, ENOSPC and the like when it cannot be written
     */
    public static SysfsView open(PciBus bus, Path directory) {
        Fd lock = claim(directory);
        SysfsView view = new SysfsView(bus, directory, lock);
        try {
            deleteTree(view.devices);
            deleteTree(view.drivers);
            Files.createDirectory(view.devices);
            Files.createDirectory(view.drivers);
        } catch (IOException e) {
            lock.close();
            throw ErrnoException.of(e, "sysfs view " + directory);
        }
        bus.addListener(view);
        bus.devices().forEach(view::added);
        return view;
    }

    private static Fd claim(Path directory) {
        Path mark = directory.resolve(MARK);
        try {
            Files.createDirectories(directory);
            if (!Files.exists(mark)) {
                for (String name : List.of("devices", "drivers")) {
                    if (Files.exists(directory.resolve(name), LinkOption.NOFOLLOW_LINKS)) {
                        throw new ErrnoException(
                                EEXIST, "sysfs view " + directory + ": its " + name + " is none of a view's");
                    }
                }
                Files.createFile(mark);
            }
        } catch (IOException e) {
            throw ErrnoException.of(e, "sysfs view " + directory);
        }
        Fd lock = FileIo.open(mark, FileIo.O_RDWR);
        if (FileIo.flock(lock, FileIo.LOCK_EX | FileIo.LOCK_NB) != 0) {
            lock.close();
            throw new ErrnoException(EBUSY, "sysfs view " + directory + ", which another process keeps");
        }
        return lock;
    }

    /** The directory, for {@code sysfs.path}. */
    public Path directory() {
        return directory;
    }

    @Override
    public synchronized void added(PciDevice device) {
        attempt(device, () -> {
            Path path = Files.createDirectories(path(device));
            PciFunction function = device.function();
            write(path, "vendor", hex(function.configRead(PCI_VENDOR_ID, 2), 4));
            write(path, "device", hex(function.configRead(PCI_DEVICE_ID, 2), 4));
            write(path, "subsystem_vendor", hex(function.configRead(PCI_SUBSYSTEM_VENDOR_ID, 2), 4));
            write(path, "subsystem_device", hex(function.configRead(PCI_SUBSYSTEM_ID, 2), 4));
            write(path, "class", hex(function.configRead(PCI_CLASS_REVISION, 4) >>> 8, 6));
            write(path, "revision", hex(function.configRead(PCI_CLASS_REVISION, 1), 2));
            write(path, "irq", Integer.toString(function.configRead(PCI_INTERRUPT_LINE, 1)));
            write(path, "modalias", device.modalias());
            write(path, "numa_node", "-1");
            write(path, "resource", resources(device));
            configs.put(device, ConfigFile.create(path.resolve("config"), device.hardware()));
            writeChanging(device);
            SriovFiles.added(devices, device);
        });
    }

    @Override
    public synchronized void removed(PciDevice device) {
        attempt(device, () -> {
            ConfigFile config = configs.remove(device);
            if (config != null) {
                config.close();
            }
            unlinkDrivers(device);
            SriovFiles.removed(devices, device);
            deleteTree(path(device));
        });
    }

    @Override
    public synchronized void changed(PciDevice device) {
        attempt(device, () -> writeChanging(device));
        // Virtual functions were turned on or off in it.
        configWritten(device);
    }

    @Override
    public synchronized void configWritten(PciDevice device) {
        ConfigFile config = configs.get(device);
        if (config != null) {
            config.refresh();
        }
    }

    /** Stops, and deletes what it made; the directory itself goes when it is empty then. */
    @Override
    public void close() {
        bus.removeListener(this);
        synchronized (this) {
            configs.values().forEach(ConfigFile::close);
            configs.clear();
            try {
                deleteTree(devices);
                deleteTree(drivers);
                Files.deleteIfExists(directory.resolve(MARK));
                Files.deleteIfExists(directory);
            } catch (IOException e) {
                LOG.log(System.Logger.Level.DEBUG, "sysfs view {0} stays: {1}", directory, e.toString());
            }
            lock.close();
        }
    }

    private void writeChanging(PciDevice device) throws IOException {
        Path path = path(device);
        SriovFiles.changed(path, device);
        write(path, "driver_override", device.driverOverride().orElse("(null)"));
        write(path, "enable", (device.function().configRead(PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) != 0 ? "1" : "0");
        unlinkDrivers(device);
        if (device.driver().isPresent()) {
            String name = device.driver().get().name();
            Files.createDirectories(drivers.resolve(name));
            Files.createSymbolicLink(
                    drivers.resolve(name).resolve(device.toString()), Path.of("../../devices/" + device));
            Files.createSymbolicLink(path.resolve("driver"), Path.of("../../drivers/" + name));
        }
    }

    private void unlinkDrivers(PciDevice device) throws IOException {
        Files.deleteIfExists(path(device).resolve("driver"));
        try (Stream<Path> known = Files.list(drivers)) {
            for (Path driver : known.toList()) {
                Files.deleteIfExists(driver.resolve(device.toString()));
            }
        }
    }

    private Path path(PciDevice device) {
        return devices.resolve(device.toString());
    }

    /** One line for each of the six BARs, the ROM and the bridge windows: first address, last address, IORESOURCE_* flags. */
    private static String resources(PciDevice device) {
        String[] lines = new String[13];
        Arrays.fill(lines, resource(0, 0, 0));
        for (PciDevice.Resource resource : device.resources()) {
            lines[resource.bar().index()] = resource(resource.start(), resource.end(), flags(resource.bar()));
        }
        return String.join("\n", lines);
    }

    private static String resource(long start, long end, long flags) {
        return String.format(Locale.ROOT, "0x%016x 0x%016x 0x%016x", start, end, flags);
    }

    // IORESOURCE_SIZEALIGN, then IORESOURCE_IO, _MEM, _MEM_64 and _PREFETCH, then the BAR's own low bits.
    private static long flags(PciBar bar) {
        long kind = switch (bar.kind()) {
            case IO -> 0x100;
            case MEM32 -> 0x200;
            case MEM64 -> 0x10_0200;
        };
        return 0x4_0000 | kind | (bar.prefetchable() ? 0x2000 : 0) | bar.flags();
    }

    private static String hex(int value, int digits) {
        return String.format(Locale.ROOT, "0x%0" + digits + "x", value);
    }

    // Others read while this writes: a file is replaced as a whole.
    static void write(Path directory, String name, String text) throws IOException {
        Path fresh = directory.resolve("." + name);
        Files.writeString(fresh, text + "\n");
        try {
            Files.move(fresh, directory.resolve(name), StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(fresh, directory.resolve(name), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static void deleteTree(Path top) throws IOException {
        if (!Files.exists(top, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        List<Path> paths;
        try (Stream<Path> walk = Files.walk(top)) {
            paths = walk.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path path : paths) {
            Files.deleteIfExists(path);
        }
    }

    private interface Step {
        void run() throws IOException;
    }

    private void attempt(PciDevice device, Step step) {
        try {
            step.run();
        } catch (IOException | ErrnoException e) {
            LOG.log(System.Logger.Level.WARNING, "sysfs view of {0} in {1}: {2}", device, directory, e.toString());
        }
    }
}
