package org.vfio4j.it;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.sys.EventFd;
import org.vfio4j.sys.Fd;

/** Storage that begins no request while a test wants that, and then those that have come meanwhile. */
final class StallingStorage implements BlockBackend {

    private static final List<String> REQUESTS = List.of("readv", "writev", "flush", "discard", "writeZeroes");

    private final BlockBackend inner;
    private volatile boolean stalled;
    private volatile int waiting;

    // What the thread that uses it sleeps on.
    private volatile Optional<Fd> thread = Optional.empty();

    /** @param inner closed with this */
    StallingStorage(BlockBackend inner) {
        this.inner = inner;
    }

    void stall() {
        stalled = true;
    }

    /** How many requests wait in the queue that was used last. */
    int stalled() {
        return waiting;
    }

    void goOn() {
        stalled = false;
        thread.ifPresent(wakeUp -> EventFd.signal(wakeUp.value()));
    }

    @Override
    public long sizeBytes() {
        return inner.sizeBytes();
    }

    @Override
    public int physicalBlockBytes() {
        return inner.physicalBlockBytes();
    }

    @Override
    public boolean readOnly() {
        return inner.readOnly();
    }

    @Override
    public String describe() {
        return "stalling " + inner.describe();
    }

    @Override
    public BlockQueue openQueue(int depth) {
        Queue queue = new Queue(inner.openQueue(depth));
        return (BlockQueue) Proxy.newProxyInstance(
                BlockQueue.class.getClassLoader(),
                new Class<?>[] {BlockQueue.class},
                (proxy, method, arguments) -> queue.call(method, arguments));
    }

    @Override
    public void close() {
        inner.close();
    }

    /** Of one thread. */
    private final class Queue {

        private record Request(Method method, Object[] arguments) {}

        private final BlockQueue queue;
        private final List<Request> requests = new ArrayList<>();

        Queue(BlockQueue queue) {
            this.queue = queue;
        }

        Object call(Method method, Object[] arguments) throws Throwable {
            if (stalled && REQUESTS.contains(method.getName())) {
                requests.add(new Request(method, arguments));
                waiting = requests.size();
                return null;
            }
            if (method.getName().equals("wakeBy")) {
                thread = Optional.of((Fd) arguments[0]);
            }
            if (!stalled && !requests.isEmpty()) {
                for (Request request : requests) {
                    invoke(request.method, request.arguments);
                }
                requests.clear();
                queue.submit();
            }
            if (method.getName().equals("inFlight")) {
                return queue.inFlight() + requests.size();
            }
            return invoke(method, arguments);
        }

        private Object invoke(Method method, Object[] arguments) throws Throwable {
            try {
                return method.invoke(queue, arguments);
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        }
    }
}
