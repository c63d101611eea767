package org.vfio4j.virtioblk;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockQueue;

/**
 * Storage at which a queue thread stops for good, at some call: it does nothing any more, as that of a process that was killed. What it
 * had begun may or may not have reached the storage below.
 */
final class MortalStorage implements BlockBackend {

    private final BlockBackend storage;
    private final AtomicInteger callsLeft = new AtomicInteger(Integer.MAX_VALUE);
    private final CountDownLatch resurrection = new CountDownLatch(1);
    private volatile boolean dead;

    /** @param storage the caller's */
    MortalStorage(BlockBackend storage) {
        this.storage = storage;
    }

    void dieAfter(int calls) {
        callsLeft.set(calls);
    }

    boolean isDead() {
        return dead;
    }

    /** Has the thread fail instead, so that it ends. */
    void bury() {
        resurrection.countDown();
    }

    @Override
    public long sizeBytes() {
        return storage.sizeBytes();
    }

    @Override
    public int physicalBlockBytes() {
        return storage.physicalBlockBytes();
    }

    @Override
    public boolean readOnly() {
        return storage.readOnly();
    }

    @Override
    public String describe() {
        return storage.describe();
    }

    @Override
    public BlockQueue openQueue(int depth) {
        BlockQueue queue = storage.openQueue(depth);
        return (BlockQueue) Proxy.newProxyInstance(
                BlockQueue.class.getClassLoader(), new Class<?>[] {BlockQueue.class}, (proxy, method, arguments) -> {
                    int left = callsLeft.getAndDecrement();
                    if (left == 0) {
                        stop();
                    }
                    try {
                        Object result = method.invoke(queue, arguments);
                        if (left == 1) {
                            callsLeft.set(Integer.MAX_VALUE);
                            stop();
                        }
                        return result;
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    @Override
    public void close() {}

    private void stop() throws InterruptedException {
        if (resurrection.getCount() > 0) {
            dead = true;
            resurrection.await();
            throw new IllegalStateException("the process was killed here");
        }
    }
}
