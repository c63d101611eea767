package org.vfio4j.cli.machine;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EOPNOTSUPP;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.devicemodel.FunctionMemory;
import org.vfio4j.devicemodel.FunctionState;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfiouser.ServerHandover;
import org.vfio4j.vfiouser.VfioUserServer;

/**
 * What goes to another process from inside a device, beside what its client has set up at its server. One thread at a time.
 *
 * @param name of the device, for messages
 * @param state of the emulated function
 * @param memory that its client may have mapped; empty when there is none
 */
record DeviceInside(String name, FunctionState state, Optional<FunctionMemory> memory) {

    /**
     * That of an emulated function.
     *
     * @param kind as {@code virtio-blk}
     * @throws ErrnoException EOPNOTSUPP for one that cannot be handed over
     */
    static DeviceInside of(String name, String kind, PciFunction function) {
        Optional<FunctionMemory> memory = function.platform(FunctionMemory.class);
        boolean mapped = function.bars().stream()
                .anyMatch(bar -> function.barMemory(bar.index()).isPresent());
        Optional<FunctionState> state = function.platform(FunctionState.class);
        if (state.isEmpty() || (mapped && memory.isEmpty())) {
            throw new ErrnoException(EOPNOTSUPP, "hand over " + name + ": a " + kind + " cannot be");
        }
        return new DeviceInside(name, state.get(), memory);
    }

    /**
     * Stops the device and its server: see {@link Movable#handOver}.
     *
     * @return the caller's
     */
    MovingFunction handOver(VfioUserServer server, Duration limit) {
        state.suspend();
        try {
            // First the client: what it does to the device is part of what is saved.
            ServerHandover client = server.handOver(limit);
            try {
                byte[] saved = state.save();
                List<Fd> shared = memory.map(FunctionMemory::share).orElse(List.of());
                return new MovingFunction(name, client, saved, shared);
            } catch (RuntimeException e) {
                client.close();
                server.goOn();
                throw e;
            }
        } catch (RuntimeException e) {
            state.resume();
            throw e;
        }
    }

    /** Another process has it: what this one does with the device from now on reaches nobody. */
    void leave() {
        memory.ifPresent(FunctionMemory::leave);
    }

    /**
     * Takes a device over that is suspended here; it stays so.
     *
     * @throws ErrnoException EINVAL when it is another one
     */
    void load(MovingFunction from) {
        try {
            state.load(from.state());
            if (memory.isEmpty() && !from.memory().isEmpty()) {
                throw new ErrnoException(
                        EINVAL, "take over " + name + ": its client may have mapped what cannot be mapped here");
            }
            memory.ifPresent(own -> own.adopt(from.memory()));
        } finally {
            from.memory().forEach(Fd::close);
        }
    }
}
