package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;
import static org.vfio4j.sys.Errno.EINVAL;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.vfio4j.sys.ErrnoException;

/**
 * A suspended controller's state, for another one with as many queue pairs and the same namespaces: registers, queues, doorbells, and
 * what the admin commands have made of it. Read as a whole before any of it is put in place. Saved, it is little-endian, each list
 * after its length.
 */
record NvmeState(
        int cc,
        int csts,
        int aqa,
        long asq,
        long acq,
        int interruptMask,
        boolean shadowed,
        long shadowIova,
        long eventIova,
        List<Completions> completions,
        List<Submissions> submissions,
        List<Controller.HeldCompletion> held,
        byte[] admin) {

    /** "NVMe v4j", read as a number. */
    private static final long MAGIC = 0x6a34_7620_654d_564eL;

    /** 1 has no aborted commands. */
    private static final int VERSION = 2;

    private static final int FIXED_BYTES = 96;
    private static final int QUEUE_BYTES = 48;
    private static final int HELD_BYTES = 12;
    private static final int MAX_ADMIN_BYTES = 1 << 20;
    private static final int CSTS_KNOWN = CSTS_RDY | CSTS_CFS | CSTS_SHST_MASK;

    /** A {@link CompletionQueue}, with what its doorbell says. */
    record Completions(
            int id,
            long iova,
            int entries,
            int vector,
            boolean interrupts,
            int head,
            int tail,
            int phase,
            int doorbell) {}

    /** A {@link SubmissionQueue}, with what its doorbell says, and the places of commands that were aborted and not passed yet. */
    record Submissions(
            int id, long iova, int entries, int cqid, int head, int tail, int doorbell, List<Integer> withdrawn) {}

    /** The state of a controller that is quiesced. */
    static NvmeState take(Controller controller) {
        NvmeRegisters registers = controller.registers();
        QueueTable queues = controller.queues();
        ShadowDoorbells shadow = controller.firstLane().shadow;
        List<Completions> completions = new ArrayList<>();
        for (int id = 0; id <= queues.queuePairs(); id++) {
            CompletionQueue q = queues.completion(id);
            if (q != null) {
                int doorbell = controller.doorbells().get(Doorbells.headOf(id));
                completions.add(new Completions(
                        id, q.iova, q.entries, q.vector, q.interrupts, q.head, q.tail, q.phase, doorbell));
            }
        }
        List<Submissions> submissions = new ArrayList<>();
        for (int id = 0; id <= queues.queuePairs(); id++) {
            SubmissionQueue q = queues.submission(id);
            if (q != null) {
                int doorbell = controller.doorbells().get(Doorbells.tailOf(id));
                List<Integer> withdrawn = IntStream.of(q.withdrawn()).boxed().toList();
                submissions.add(
                        new Submissions(id, q.iova, q.entries, q.completions.id, q.head, q.tail, doorbell, withdrawn));
            }
        }
        return new NvmeState(
                registers.cc(),
                registers.status(),
                registers.adminAttributes(),
                registers.adminSubmission(),
                registers.adminCompletion(),
                registers.interruptMask(),
                shadow.isConfigured(),
                shadow.shadowIova(),
                shadow.eventIova(),
                completions,
                submissions,
                List.copyOf(controller.heldCompletions()),
                controller.handler().save());
    }

    /** The same, with something else to be completed first. */
    NvmeState answering(Controller.HeldCompletion first) {
        List<Controller.HeldCompletion> all = new ArrayList<>(List.of(first));
        all.addAll(held);
        return with(csts, submissions, all);
    }

    /** The same, and the driver may know that the controller is enabled. */
    NvmeState ready() {
        return with(CSTS_RDY, submissions, held);
    }

    /** The same, with the last admin command not taken yet. */
    NvmeState untakenAdmin() {
        List<Submissions> all = new ArrayList<>();
        for (Submissions q : submissions) {
            int head = q.id == 0 ? Math.floorMod(q.head - 1, q.entries) : q.head;
            all.add(new Submissions(q.id, q.iova, q.entries, q.cqid, head, q.tail, q.doorbell, q.withdrawn));
        }
        return with(csts, all, held);
    }

    private NvmeState with(int status, List<Submissions> queues, List<Controller.HeldCompletion> done) {
        return new NvmeState(
                cc,
                status,
                aqa,
                asq,
                acq,
                interruptMask,
                shadowed,
                shadowIova,
                eventIova,
                completions,
                queues,
                done,
                admin);
    }

    /**
     * Makes a controller that is quiesced have this state; what its doorbells say is {@link #ring}.
     *
     * @throws ErrnoException EINVAL, when the part of the admin commands is none of such a controller; nothing has changed then
     */
    void put(Controller controller) {
        controller.handler().load(admin);
        controller.forgetQueues();
        controller.registers().load(cc, aqa, asq, acq, interruptMask);
        controller.registers().setStatus(csts);
        QueueTable queues = controller.queues();
        for (Completions saved : completions) {
            CompletionQueue queue = new CompletionQueue(
                    saved.id,
                    saved.iova,
                    saved.entries,
                    saved.vector,
                    saved.interrupts,
                    controller.statistics(saved.id));
            queue.load(saved.head, saved.tail, saved.phase);
            controller.errands().add(queue);
        }
        for (Submissions saved : submissions) {
            CompletionQueue own = queues.completion(saved.cqid);
            if (own != null) {
                SubmissionQueue queue =
                        new SubmissionQueue(saved.id, saved.iova, saved.entries, own, controller.statistics(saved.id));
                queue.head = saved.head;
                queue.tail = saved.tail;
                saved.withdrawn.forEach(queue::withdraw);
                controller.errands().add(queue);
            }
        }
        if (shadowed) {
            controller.lanes().forEach(lane -> lane.shadow.configure(shadowIova, eventIova));
        }
        controller.heldCompletions().addAll(held);
    }

    /** Makes the doorbells of its queues say what they did. */
    void ring(Doorbells doorbells) {
        completions.forEach(q -> doorbells.set(Doorbells.headOf(q.id), q.doorbell));
        submissions.forEach(q -> doorbells.set(Doorbells.tailOf(q.id), q.doorbell));
    }

    /** Of a controller whose queues all exist, without the admin commands' part. */
    static int sizeBytes(int queuePairs) {
        return FIXED_BYTES + 2 * QUEUE_BYTES * (queuePairs + 1);
    }

    byte[] toBytes(int queuePairs) {
        int size = FIXED_BYTES
                + QUEUE_BYTES * (completions.size() + submissions.size())
                + Integer.BYTES
                        * submissions.stream().mapToInt(q -> q.withdrawn.size()).sum()
                + HELD_BYTES * held.size()
                + admin.length;
        ByteBuffer to = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        to.putLong(MAGIC).putInt(VERSION).putInt(queuePairs);
        to.putInt(cc).putInt(csts).putInt(aqa).putLong(asq).putLong(acq).putInt(interruptMask);
        to.putInt(shadowed ? 1 : 0).putLong(shadowIova).putLong(eventIova);
        to.putInt(completions.size());
        for (Completions q : completions) {
            to.putInt(q.id).putLong(q.iova).putInt(q.entries).putInt(q.vector).putInt(q.interrupts ? 1 : 0);
            to.putInt(q.head).putInt(q.tail).putInt(q.phase).putInt(q.doorbell);
        }
        to.putInt(submissions.size());
        for (Submissions q : submissions) {
            to.putInt(q.id).putLong(q.iova).putInt(q.entries).putInt(q.cqid);
            to.putInt(q.head).putInt(q.tail).putInt(q.doorbell);
            to.putInt(q.withdrawn.size());
            q.withdrawn.forEach(to::putInt);
        }
        to.putInt(held.size());
        for (Controller.HeldCompletion done : held) {
            to.putInt(done.cid()).putInt(done.dw0()).putInt(done.status());
        }
        to.putInt(admin.length).put(admin);
        byte[] bytes = new byte[to.position()];
        to.get(0, bytes);
        return bytes;
    }

    /**
     * Reads what {@link #toBytes} has written.
     *
     * @param queuePairs how many the controller has that is to get it
     * @throws ErrnoException EINVAL with the reason, when it is another kind's or version's, does not fit, or is none that a
     *     controller could have
     */
    static NvmeState parse(byte[] bytes, int queuePairs) {
        ByteBuffer from = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        try {
            require(from.getLong() == MAGIC, "not the state of an NVMe controller");
            int version = from.getInt();
            require(version == 1 || version == VERSION, "version " + version + ", this one reads 1 and " + VERSION);
            int pairs = from.getInt();
            require(pairs == queuePairs, pairs + " queue pairs, the controller has " + queuePairs);
            NvmeState state = new NvmeState(
                    from.getInt() & CC_WRITABLE,
                    range(from, "CSTS", 0, CSTS_KNOWN),
                    from.getInt(),
                    from.getLong(),
                    from.getLong(),
                    from.getInt(),
                    range(from, "flag of shadow doorbells", 0, 1) == 1,
                    from.getLong(),
                    from.getLong(),
                    parseCompletions(from, pairs),
                    parseSubmissions(from, pairs, version),
                    parseHeld(from),
                    parseAdmin(from));
            require(!from.hasRemaining(), from.remaining() + " bytes behind its end");
            state.check();
            return state;
        } catch (BufferUnderflowException e) {
            ErrnoException cut = refused("cut short at " + bytes.length + " bytes");
            cut.initCause(e);
            throw cut;
        }
    }

    private static List<Completions> parseCompletions(ByteBuffer from, int pairs) {
        int count = range(from, "number of completion queues", 0, pairs + 1);
        List<Completions> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int id = range(from, "completion queue", 0, pairs);
            require(all.stream().noneMatch(q -> q.id == id), "completion queue " + id + " twice");
            long iova = from.getLong();
            int entries = range(from, "queue size", 2, NvmeLimits.MAX_QUEUE_ENTRIES);
            all.add(new Completions(
                    id,
                    iova,
                    entries,
                    range(from, "vector", 0, pairs),
                    range(from, "flag of interrupts", 0, 1) == 1,
                    range(from, "head", 0, entries - 1),
                    range(from, "tail", 0, entries - 1),
                    range(from, "phase", 0, 1),
                    from.getInt()));
        }
        return all;
    }

    private static List<Submissions> parseSubmissions(ByteBuffer from, int pairs, int version) {
        int count = range(from, "number of submission queues", 0, pairs + 1);
        List<Submissions> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int id = range(from, "submission queue", 0, pairs);
            require(all.stream().noneMatch(q -> q.id == id), "submission queue " + id + " twice");
            long iova = from.getLong();
            int entries = range(from, "queue size", 2, NvmeLimits.MAX_QUEUE_ENTRIES);
            all.add(new Submissions(
                    id,
                    iova,
                    entries,
                    range(from, "completion queue", 0, pairs),
                    range(from, "head", 0, entries - 1),
                    range(from, "tail", 0, entries - 1),
                    from.getInt(),
                    version == 1 ? List.of() : parseWithdrawn(from, entries)));
        }
        return all;
    }

    private static List<Integer> parseWithdrawn(ByteBuffer from, int entries) {
        int count = range(from, "number of aborted commands", 0, entries - 1);
        List<Integer> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add(range(from, "aborted command", all.isEmpty() ? 0 : all.getLast() + 1, entries - 1));
        }
        return all;
    }

    private static List<Controller.HeldCompletion> parseHeld(ByteBuffer from) {
        int count = range(from, "number of held completions", 0, NvmeLimits.MAX_QUEUE_ENTRIES);
        List<Controller.HeldCompletion> all = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            all.add(new Controller.HeldCompletion(
                    range(from, "command identifier", 0, 0xffff), from.getInt(), range(from, "status", 0, 0x7fff)));
        }
        return all;
    }

    private static byte[] parseAdmin(ByteBuffer from) {
        byte[] admin = new byte[range(from, "length of the admin commands' part", 0, MAX_ADMIN_BYTES)];
        from.get(admin);
        return admin;
    }

    /** What holds between the parts. */
    private void check() {
        require(((cc >>> CC_MPS_SHIFT) & CC_MPS_MASK) <= NvmeRegisters.MPSMAX, "pages that are too large");
        boolean ready = (csts & CSTS_RDY) != 0;
        require(ready == completions.stream().anyMatch(q -> q.id == 0), "CSTS.RDY and no admin queue, or one without");
        require(ready == submissions.stream().anyMatch(q -> q.id == 0), "CSTS.RDY and no admin queue, or one without");
        for (Submissions each : submissions) {
            require(
                    completions.stream().anyMatch(q -> q.id == each.cqid) && (each.id == 0) == (each.cqid == 0),
                    "submission queue " + each.id + " with completion queue " + each.cqid);
            int waiting = Math.floorMod(each.tail - each.head, each.entries);
            require(
                    each.withdrawn.stream().allMatch(index -> Math.floorMod(index - each.head, each.entries) < waiting),
                    "aborted commands that do not wait in submission queue " + each.id);
        }
    }

    private static int range(ByteBuffer from, String what, int least, int most) {
        int value = from.getInt();
        require(value >= least && value <= most, what + " " + value + ", of " + least + " to " + most);
        return value;
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw refused(otherwise);
        }
    }

    private static ErrnoException refused(String why) {
        return new ErrnoException(EINVAL, "NVMe state: " + why);
    }
}
