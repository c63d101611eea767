package org.vfio4j.bus;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.vfio4j.sys.ErrnoException;

/**
 * Keeps a directory that looks as /sys/bus/pci does for the functions of a bus, so that tools which read sysfs read it too:
 * {@code lspci -A linux-sysfs -O sysfs.path=DIR}. The {@code config} file always holds the function's own configuration space,
 * of a virtual function too: its ids read as 0xffff there.
 *
 * <p>In the directory {@code sys} stands the whole tree, as /sys has it: {@code devices/pci0000:00/...} with each device in the
 * directory of what it sits behind or is a part of, {@code bus/pci} and {@code bus/auxiliary}; the directory's {@code devices} and
 * {@code drivers} lead to {@code sys/bus/pci}.
 *
 * <p>It is written by whoever changes the bus, the {@code config} files apart: those follow soon after each write to a function's
 * space, by a thread of the view's own. What goes wrong with the directory is logged and never the bus's trouble.
 */
public final class SysfsView implements PciBusListener, AuxiliaryBusListener, AutoCloseable {

    private static final System.Logger LOG = System.getLogger(SysfsView.class.getName());

    private final PciBus bus;
    private final ViewDirectory directory;
    private final SysfsPaths paths;
    private final SysfsLinks links;
    // Changed under this object's lock, looked at without it.
    private final Map<PciDevice, ConfigFile> configs = new ConcurrentHashMap<>();
    private final ConfigRefresher refresher = new ConfigRefresher(this::refresh);

    private SysfsView(PciBus bus, ViewDirectory directory) {
        this.bus = bus;
        this.directory = directory;
        paths = directory.paths();
        links = new SysfsLinks(paths);
    }

    /**
     * Begins to keep a directory. What a view of a process that died left there is replaced.
     *
     * @param directory made when it is not there; {@code devices}, {@code drivers} and {@code sys} in it are this view's own
     * @throws ErrnoException EEXIST when it has one of these that no view made, EBUSY when another view keeps it, ENOSPC and the
     *     like when it cannot be written
     */
    public static SysfsView open(PciBus bus, Path directory) {
        SysfsView view = new SysfsView(bus, ViewDirectory.claim(directory));
        bus.addListener(view);
        bus.devices().forEach(view::added);
        bus.auxiliary().addListener(view);
        bus.auxiliary().devices().forEach(view::added);
        return view;
    }

    /** The directory, for {@code sysfs.path}. */
    public Path directory() {
        return directory.path();
    }

    @Override
    public synchronized void added(PciDevice device) {
        attempt(device, () -> {
            Path path = links.added(device);
            write(path, device, PciAttributes.fixed(device));
            configs.put(device, ConfigFile.create(path.resolve("config"), device.hardware()));
            writeChanging(device);
            SriovFiles.added(paths, device);
        });
    }

    @Override
    public synchronized void removed(PciDevice device) {
        attempt(device, () -> {
            ConfigFile config = configs.remove(device);
            if (config != null) {
                config.close();
            }
            SriovFiles.removed(paths, device);
            links.removed(device);
        });
    }

    @Override
    public synchronized void changed(PciDevice device) {
        attempt(device, () -> writeChanging(device));
        // Virtual functions were turned on or off in it.
        refresh(device);
    }

    @Override
    public void configWritten(PciDevice device) {
        ConfigFile config = configs.get(device);
        if (config != null && config.markStale()) {
            refresher.add(device);
        }
    }

    private synchronized void refresh(PciDevice device) {
        ConfigFile config = configs.get(device);
        if (config != null) {
            config.refresh();
        }
    }

    @Override
    public synchronized void added(AuxiliaryDevice device) {
        attempt(device, () -> {
            links.added(device);
            writeChanging(device);
        });
    }

    @Override
    public synchronized void removed(AuxiliaryDevice device) {
        attempt(device, () -> links.removed(device));
    }

    @Override
    public synchronized void changed(AuxiliaryDevice device) {
        attempt(device, () -> writeChanging(device));
    }

    /** Stops, and deletes what it made; the directory itself goes when it is empty then. */
    @Override
    public void close() {
        bus.removeListener(this);
        bus.auxiliary().removeListener(this);
        refresher.close();
        synchronized (this) {
            configs.values().forEach(ConfigFile::close);
            configs.clear();
            directory.close();
        }
    }

    private void writeChanging(PciDevice device) throws IOException {
        Path path = paths.of(device);
        write(path, device, PciAttributes.changing(device));
        links.driverChanged(device, device.driver().map(PciDriver::name));
    }

    private void writeChanging(AuxiliaryDevice device) throws IOException {
        String driver =
                device.driver().map(has -> "DRIVER=" + has.name() + "\n").orElse("");
        SysfsFiles.write(paths.of(device), "uevent", driver + "MODALIAS=" + device.modalias());
        links.driverChanged(device, device.driver().map(AuxiliaryDriver::name));
    }

    private static void write(Path path, PciDevice device, List<String> attributes) throws IOException {
        for (String name : attributes) {
            SysfsFiles.write(path, name, PciAttributes.text(device, name));
        }
    }

    private void attempt(BusDevice device, SysfsFiles.Step step) {
        try {
            // Between two of a bus's changes a view may begin: what it has not seen come it does not show.
            if (device.parent().map(paths::of).map(Files::isDirectory).orElse(true)) {
                step.run();
            }
        } catch (IOException | ErrnoException e) {
            LOG.log(System.Logger.Level.WARNING, "sysfs view of {0} in {1}: {2}", device, directory, e.toString());
        }
    }
}
