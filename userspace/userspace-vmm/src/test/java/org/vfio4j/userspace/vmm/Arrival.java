package org.vfio4j.userspace.vmm;

import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A hypervisor that waits for a guest, on a thread of its own. */
final class Arrival {

    private final CompletableFuture<VirtualMachine> result = new CompletableFuture<>();
    private final GuestDevice device;

    Arrival(Host host, MigrationChannel channel) {
        this(host, channel, 1L << 30);
    }

    Arrival(Host host, MigrationChannel channel, long maxMemoryBytes) {
        this(host, channel, maxMemoryBytes, List.of());
    }

    /** @param disks that are overwritten */
    Arrival(Host host, MigrationChannel channel, long maxMemoryBytes, List<TargetDisk> disks) {
        device = host.connect();
        MigrationDestination destination =
                new MigrationDestination(device, channel, DiskGuest.loader(device), maxMemoryBytes, disks);
        Thread.ofPlatform().name("destination").start(() -> {
            try {
                result.complete(destination.run());
            } catch (RuntimeException | Error e) {
                result.completeExceptionally(e);
            }
        });
    }

    /** The guest that has come. */
    VirtualMachine machine() {
        try {
            return result.get(30, TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw new AssertionError(e.getCause());
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    /** Why none has; the connection to its device is gone then. */
    Throwable failure() {
        try {
            VirtualMachine machine = result.get(30, TimeUnit.SECONDS);
            throw new AssertionError("a guest has come: " + machine);
        } catch (ExecutionException e) {
            device.close();
            return e.getCause();
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }
}
