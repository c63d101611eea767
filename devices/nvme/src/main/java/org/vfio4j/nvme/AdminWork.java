package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.SQE_SIZE;

import org.jspecify.annotations.Nullable;
import org.vfio4j.bus.DmaWindow;
import org.vfio4j.sys.RawMemory;

/** The first queue thread's work on the admin queues: has commands carried out, one after another, and posts what was held. Belongs to it. */
final class AdminWork implements AutoCloseable {

    private final Lane lane;
    private final Controller controller;
    private final RingSearch search;
    private final DoorbellReader doorbells;
    private final Delivery delivery;
    private final RemoteQueues remote;

    // Once there is a thread: until the controller is closed, since a command may be under way.
    private @Nullable AdminQueue admin;

    AdminWork(Lane lane, RingSearch search, DoorbellReader doorbells, Delivery delivery, RemoteQueues remote) {
        this.lane = lane;
        controller = lane.controller();
        this.search = search;
        this.doorbells = doorbells;
        this.delivery = delivery;
        this.remote = remote;
    }

    /** After the thread has ended for good. */
    @Override
    public void close() {
        AdminQueue open = admin;
        admin = null;
        if (open != null) {
            open.close();
        }
    }

    private AdminQueue openAdmin() {
        AdminQueue open = admin;
        if (open == null) {
            open = new AdminQueue(controller);
            admin = open;
        }
        return open;
    }

    /** Returns how much it did. */
    int poll(DmaWindow window) {
        SubmissionQueue queue = controller.queues().admin();
        if (queue == null) {
            return 0;
        }
        // First: of a controller that another has left, the driver may have consumed them already.
        int did = postHeld(queue, window);
        if (search.isLost()) {
            return did;
        }
        doorbells.take(queue, window);
        did += postHeld(queue, window);
        AdminQueue own = openAdmin();
        // One that is done has its completion before another is taken: those that are held would become ever more.
        while (queue.waiting() != 0
                && queue.completions.room() > 0
                && !own.isBusy()
                && controller.heldCompletions().isEmpty()) {
            if (!queue.isLocated() && !queue.locate(window)) {
                search.lose();
                return did;
            }
            int served = queue.isRemote() ? remote.serveAdmin(queue, own, window) : serve(queue, own, window);
            if (served == 0) {
                return did;
            }
            did += served + postHeld(queue, window);
        }
        return did;
    }

    private int serve(SubmissionQueue queue, AdminQueue own, DmaWindow window) {
        long startNs = System.nanoTime();
        RawMemory.copy(queue.headAddress(), own.entry(), SQE_SIZE);
        queue.take();
        int status = own.execute(window, false);
        if (status == DataPointer.UNREACHABLE) {
            queue.putBack();
            return remote.serveAdmin(queue, own, window);
        }
        lane.tally.adminCommands++;
        queue.inFlight--;
        if (status == AdminHandler.HELD) {
            queue.completions.reserved--;
        } else {
            own.answered(queue, status, startNs);
            long dw0 = Integer.toUnsignedLong(own.command().result());
            queue.completions.post(dw0, 0, queue.head, own.command().cid(), status);
        }
        return 1;
    }

    /** Completions of commands that were held, as far as there is room. */
    private int postHeld(SubmissionQueue queue, DmaWindow window) {
        int posted = 0;
        while (!controller.heldCompletions().isEmpty() && queue.completions.room() > 0) {
            if (!queue.isLocated() && !queue.locate(window)) {
                search.lose();
                return posted;
            }
            if (queue.isRemote()) {
                delivery.drain(window);
            }
            controller.setUp().save(controller, null, openAdmin().isBusy());
            Controller.HeldCompletion done = controller.heldCompletions().element();
            queue.completions.reserved++;
            int error = remote.post(queue, window, Integer.toUnsignedLong(done.dw0()), done.cid(), done.status());
            if (queue.isRemote()) {
                lane.forget();
            }
            if (error != 0) {
                queue.completions.reserved--;
                search.lose(error);
                return posted;
            }
            controller.heldCompletions().remove();
            posted++;
        }
        return posted;
    }
}
