package org.vfio4j.bench;

import static org.vfio4j.uapi.Vfio.VFIO_PCI_BAR4_REGION_INDEX;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.vfio4j.block.NullBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.vfio.VfioDevice;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.vfiopci.VfioPciDriver;
import org.vfio4j.vfiouser.EventLoop;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;
import org.vfio4j.vfiouser.VfioUserServer;
import org.vfio4j.vfiouser.VfioUserServerOptions;
import org.vfio4j.virtioblk.VirtioBlk;

/**
 * What devices cost that nobody uses: serves disks without storage, connects a client to each, has each answer, and prints memory
 * and threads after each step, when all is quiet. The clients are in the same process, so their memory counts too. Argument: how
 * many devices.
 */
public final class ManyDevices {

    private static final long BYTES = 1L << 30;
    private static final int DEVICES_OF_A_BUS = 32;
    private static final long SETTLE_MS = 2500;
    private static final MemorySegment BUFFER = Arena.global().allocate(Long.BYTES);

    private ManyDevices() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        int count = Integer.parseInt(args[0]);
        Path directory = Files.createTempDirectory("vfio4j-many");
        report("nothing");
        try (EventLoop loop = new EventLoop();
                NullBackend storage = new NullBackend(BYTES)) {
            List<VirtioBlk> functions = new ArrayList<>();
            List<VfioUserServer> servers = serve(loop, storage, count, directory, functions);
            report(count + " devices served");
            List<VfioUserClient> clients = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                clients.add(VfioUserClient.connect(socket(directory, i), VfioUserClientOptions.DEFAULTS));
            }
            report("a client on each");
            long begin = System.nanoTime();
            clients.forEach(ManyDevices::read);
            double each = (System.nanoTime() - begin) / 1e3 / count;
            System.out.printf(Locale.ROOT, "%-24s %.1f us each%n", "a round trip", each);
            report("all have answered");
            clients.forEach(VfioUserClient::close);
            servers.forEach(VfioUserServer::close);
            functions.forEach(VirtioBlk::close);
            report("all closed");
        }
        try (Stream<Path> left = Files.walk(directory)) {
            left.sorted(Comparator.reverseOrder()).forEach(path -> path.toFile().delete());
        }
    }

    private static List<VfioUserServer> serve(
            EventLoop loop, NullBackend storage, int count, Path directory, List<VirtioBlk> functions) {
        VfioRegistry registry = new VfioRegistry();
        PciBus bus = new PciBus();
        bus.provide(VfioRegistry.class, registry);
        bus.loadDrivers();
        for (int i = 0; i < count; i++) {
            VirtioBlk function = VirtioBlk.builder(storage).build();
            functions.add(function);
            PciAddress address = new PciAddress(0, i / DEVICES_OF_A_BUS, i % DEVICES_OF_A_BUS, 0);
            PciDevice device = bus.add(address, function.function());
            bus.setDriverOverride(device, Optional.of(VfioPciDriver.NAME));
            bus.bind(device, VfioPciDriver.NAME);
        }
        List<VfioUserServer> servers = new ArrayList<>();
        int i = 0;
        for (VfioDevice device : registry.devices()) {
            servers.add(
                    VfioUserServer.listen(loop, socket(directory, i), device.open(), VfioUserServerOptions.DEFAULTS));
            i++;
        }
        return servers;
    }

    private static void read(VfioUserClient client) {
        client.read(VFIO_PCI_BAR4_REGION_INDEX, 0, BUFFER, 0, 1);
    }

    private static Path socket(Path directory, int i) {
        return directory.resolve(i + ".sock");
    }

    private static void report(String when) throws IOException, InterruptedException {
        Thread.sleep(SETTLE_MS);
        System.out.printf(
                Locale.ROOT,
                "%-24s %5d MiB resident, %d threads, %d descriptors%n",
                when,
                status("VmRSS:") / 1024,
                status("Threads:"),
                descriptors());
    }

    private static long status(String field) throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith(field)) {
                return Long.parseLong(line.replaceAll("[^0-9]", ""));
            }
        }
        throw new IOException("/proc/self/status has no " + field);
    }

    private static long descriptors() throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            return open.count();
        }
    }
}
