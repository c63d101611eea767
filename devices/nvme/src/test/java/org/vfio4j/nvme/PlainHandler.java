package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeStatus.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.sys.RawMemory;

/** The admin commands that tests of queues and I/O need: Identify that says which one it is, and held event requests. */
final class PlainHandler implements AdminHandler, Namespaces {

    final List<Namespace> namespaces = new ArrayList<>();
    final List<Integer> held = new ArrayList<>();
    final List<String> events = new ArrayList<>();

    /** What of it is saved. */
    volatile byte[] saved = {};

    /** Of the last command that failed. */
    volatile int lastFailure;

    final AtomicInteger resets = new AtomicInteger();
    final AtomicInteger shutdowns = new AtomicInteger();
    private @Nullable ControllerHooks controller;

    ControllerHooks controller() {
        return Objects.requireNonNull(controller);
    }

    @Override
    public void connect(ControllerHooks controller) {
        this.controller = controller;
    }

    @Override
    public Namespaces namespaces() {
        return this;
    }

    @Override
    public int count() {
        return namespaces.size();
    }

    @Override
    public @Nullable Namespace active(int nsid) {
        return namespaces.get(nsid - 1);
    }

    /** Identify: 4096 bytes of the command's CDW10 to the driver. Set Features: 4096 bytes from it. */
    @Override
    public int dataBytes(AdminCommand command) {
        return switch (command.opcode()) {
            case NvmeSpec.IDENTIFY, NvmeSpec.SET_FEATURES -> 4096;
            case NvmeSpec.GET_LOG_PAGE -> NvmeLimits.MAX_TRANSFER_BYTES;
            case NvmeSpec.ASYNCHRONOUS_EVENT_REQUEST, NvmeSpec.GET_FEATURES -> 0;
            default -> -(INVALID_COMMAND_OPCODE | DNR);
        };
    }

    @Override
    public boolean isToHost(AdminCommand command) {
        return command.opcode() != NvmeSpec.SET_FEATURES;
    }

    @Override
    public boolean stopsQueues(AdminCommand command) {
        return command.opcode() == NvmeSpec.SET_FEATURES;
    }

    @Override
    public int execute(AdminCommand command) {
        switch (command.opcode()) {
            case NvmeSpec.IDENTIFY -> RawMemory.fill(command.data(), 4096, (byte) command.cdw10());
            case NvmeSpec.GET_LOG_PAGE -> RawMemory.fill(command.data(), NvmeLimits.MAX_TRANSFER_BYTES, (byte) 0x5a);
            case NvmeSpec.SET_FEATURES -> command.setResult(RawMemory.getInt(command.data()));
            case NvmeSpec.ASYNCHRONOUS_EVENT_REQUEST -> {
                held.add(command.cid());
                return HELD;
            }
            default -> command.setResult(command.cdw11());
        }
        return SUCCESSFUL_COMPLETION;
    }

    @Override
    public boolean abortHeld(int cid) {
        return held.remove((Integer) cid);
    }

    @Override
    public void asynchronousEvent(int type, int information, int logPage) {
        events.add(type + "/" + information + "/" + logPage);
        if (!held.isEmpty()) {
            controller()
                    .complete(held.removeFirst(), type | (information << 8) | (logPage << 16), SUCCESSFUL_COMPLETION);
        }
    }

    @Override
    public void failed(int sqid, int cid, int status, int nsid, long lba) {
        lastFailure = status;
    }

    @Override
    public List<BlockBackend> storages() {
        return List.of();
    }

    @Override
    public void setStorage(int nsid, BlockBackend backend) {
        events.add("storage of " + nsid);
    }

    @Override
    public void resize(int nsid, long sizeBytes) {
        events.add("resize of " + nsid);
    }

    @Override
    public void controllerReset() {
        held.clear();
        resets.incrementAndGet();
    }

    @Override
    public void shutdown() {
        shutdowns.incrementAndGet();
    }

    @Override
    public byte[] save() {
        return saved;
    }

    @Override
    public void load(byte[] state) {}
}
