package org.vfio4j.it;

import static java.lang.foreign.ValueLayout.JAVA_INT;
import static org.vfio4j.it.EduDevice.EDU;
import static org.vfio4j.it.EduDevice.IDENTIFICATION;
import static org.vfio4j.it.EduDevice.LIVENESS;
import static org.vfio4j.it.HostChecks.expect;
import static org.vfio4j.it.HostChecks.expectEqual;
import static org.vfio4j.it.HostChecks.expectRefused;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_BAR0_REGION_INDEX;
import static org.vfio4j.uapi.Vfio.VFIO_PCI_REQ_IRQ_INDEX;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Mapping;
import org.vfio4j.sys.RawMemory;
import org.vfio4j.vfio.VfioRegionMemory;
import org.vfio4j.vfiolinux.LinuxVfioDevice;
import org.vfio4j.vfiouser.VfioUserClient;
import org.vfio4j.vfiouser.VfioUserClientOptions;

/** {@link EduDevice} as the client of another process has it, which serves it at {@link #SOCKET}. */
final class ServedChecks {

    static final String SOCKET = "/tmp/served.sock";

    /** A client that is asked to let go loses the device after 30 s; the rest is what an emulated processor takes. */
    private static final int PATIENCE_S = 90;

    private static final long PAUSE_NS = 50_000_000;

    private ServedChecks() {}

    /** @param words what to try, and the number of the serving process for one that ends it */
    static void run(PciAddress address, List<String> words) {
        switch (words.getFirst()) {
            case "registers" -> registers();
            case "mapped" -> mapped();
            case "mapped-for-ever" -> mappedForEver(address, Long.parseLong(words.get(1)));
            case "let-go" -> letGo(address);
            case "kept" -> kept(address);
            default -> throw new IllegalArgumentException(words.getFirst());
        }
    }

    private static void registers() {
        try (VfioUserClient client = connect()) {
            expectEqual("identification", EDU, get(client, IDENTIFICATION));
        }
    }

    /** What is mapped is the device, and still is when the client has gone and another one has come. */
    private static void mapped() {
        try (Mapping registers = map()) {
            try (VfioUserClient next = connect()) {
                RawMemory.putIntRelease(registers.address() + LIVENESS, 0x12345678);
                expectEqual("liveness by the next client", ~0x12345678, get(next, LIVENESS));
            }
        }
    }

    /** A map outlives the server too, and keeps the device from everybody. An access to it is SIGBUS by then: nobody has it decode. */
    private static void mappedForEver(PciAddress address, long server) {
        try (Mapping registers = map()) {
            expect("registers are mapped", registers.address() != 0);
            ProcessHandle.of(server).orElseThrow().destroy();
            awaitEnd(server);
            expectRefused(
                    Errno.EBUSY,
                    "one that has a VFIO device: process "
                            + ProcessHandle.current().pid(),
                    () -> LinuxVfioDevice.open(address).close());
        }
        LinuxVfioDevice.open(address).close();
    }

    /** Its parent has not heard of it yet. */
    private static void awaitEnd(long process) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
        while (!statusOf(process).contains(") Z ")) {
            expect("process " + process + " ends", System.nanoTime() < end);
            LockSupport.parkNanos(PAUSE_NS);
        }
    }

    private static String statusOf(long process) {
        try {
            return Files.readString(Path.of("/proc/" + process + "/stat"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Mapping map() {
        try (VfioUserClient client = connect()) {
            VfioRegionMemory memory =
                    client.regionMemory(VFIO_PCI_BAR0_REGION_INDEX).orElseThrow();
            long size = client.regionInfo(VFIO_PCI_BAR0_REGION_INDEX).sizeBytes();
            Mapping registers =
                    Mapping.shared(memory.fd(), memory.offset(), size, Mapping.PROT_READ | Mapping.PROT_WRITE);
            expectEqual("identification", EDU, RawMemory.getIntAcquire(registers.address() + IDENTIFICATION));
            RawMemory.putIntRelease(registers.address() + LIVENESS, 0x0f0f00ff);
            expectEqual("liveness by a message", ~0x0f0f00ff, get(client, LIVENESS));
            return registers;
        }
    }

    /** The kernel wants the device back: its client hears of it, and lets go. */
    private static void letGo(PciAddress address) {
        CompletableFuture<Void> unbound;
        try (VfioUserClient client = connect();
                HostInterrupts requests = HostInterrupts.set(client, VFIO_PCI_REQ_IRQ_INDEX, 1)) {
            unbound = CompletableFuture.runAsync(() -> unbind(address));
            requests.expectOne(0);
            expect("the kernel waits for the client", !unbound.isDone());
        }
        unbound.orTimeout(PATIENCE_S, TimeUnit.SECONDS).join();
    }

    /** The same with a client that does not: it is asked again, and loses the device. */
    private static void kept(PciAddress address) {
        try (VfioUserClient client = connect()) {
            HostInterrupts requests = HostInterrupts.set(client, VFIO_PCI_REQ_IRQ_INDEX, 1);
            try {
                CompletableFuture<Void> unbound = CompletableFuture.runAsync(() -> unbind(address));
                requests.expectOne(0);
                expectEqual("identification meanwhile", EDU, get(client, IDENTIFICATION));
                unbound.orTimeout(PATIENCE_S, TimeUnit.SECONDS).join();
                long asked = EventFd.drain(requests.eventFds().getFirst().value());
                expect("asked again " + asked + " times", asked >= 2);
                expect("the client has it no more", isLost(client));
            } finally {
                requests.eventFds().getFirst().close();
            }
        }
    }

    private static boolean isLost(VfioUserClient client) {
        try {
            get(client, IDENTIFICATION);
            return false;
        } catch (ErrnoException e) {
            return true;
        }
    }

    private static void unbind(PciAddress address) {
        try {
            Files.writeString(
                    Path.of("/sys/bus/pci/drivers/vfio-pci/unbind"), address.toString(), StandardOpenOption.WRITE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static VfioUserClient connect() {
        VfioUserClientOptions patient =
                VfioUserClientOptions.DEFAULTS.withTimeoutNs(TimeUnit.SECONDS.toNanos(PATIENCE_S));
        return VfioUserClient.connect(Path.of(SOCKET), patient);
    }

    private static int get(VfioUserClient client, int register) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment value = arena.allocate(JAVA_INT);
            client.read(VFIO_PCI_BAR0_REGION_INDEX, register, value, 0, Integer.BYTES);
            return value.get(JAVA_INT, 0);
        }
    }
}
