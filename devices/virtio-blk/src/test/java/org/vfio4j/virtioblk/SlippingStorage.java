package org.vfio4j.virtioblk;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.BlockQueue;
import org.vfio4j.block.MemoryBackend;

/** Memory that has something happen after each request, before anybody is told that it is done. */
final class SlippingStorage implements BlockBackend {

    private final MemoryBackend storage = new MemoryBackend(DiskFixture.DISK_BYTES);
    final AtomicInteger requests = new AtomicInteger();
    volatile Runnable afterEach = () -> {};

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
                    try {
                        Object result = method.invoke(queue, arguments);
                        if (method.getName().equals("readv")) {
                            afterEach.run();
                            requests.incrementAndGet();
                        }
                        return result;
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }

    @Override
    public void close() {
        storage.close();
    }
}
