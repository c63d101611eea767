package org.vfio4j.mdevcore;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import org.vfio4j.sys.ErrnoException;

/** A parent whose types small and large share a pool, and which knows its live instances. */
final class TestParent implements MdevParentOps {

    static final MdevType SMALL = new MdevType("test-small", "vfio-pci", "Small", Optional.empty());
    static final MdevType LARGE = new MdevType("test-large", "vfio-pci", "Large", Optional.of("takes four"));

    final MdevPool pool;
    final Set<UUID> live = ConcurrentHashMap.newKeySet();
    volatile int failWith;

    TestParent(int units) {
        pool = new MdevPool("units", units);
    }

    @Override
    public String driverName() {
        return "test";
    }

    @Override
    public List<MdevType> types() {
        return List.of(SMALL, LARGE);
    }

    @Override
    public int availableInstances(MdevType type) {
        return pool.available(units(type));
    }

    @Override
    public MdevInstance create(MdevType type, UUID uuid) {
        if (failWith != 0) {
            throw new ErrnoException(failWith, "create " + uuid);
        }
        pool.take(units(type));
        live.add(uuid);
        return new MdevInstance() {
            @Override
            public Map<String, MdevAttribute> attributes() {
                return Map.of("kind", () -> "test");
            }

            @Override
            public void close() {
                if (!live.remove(uuid)) {
                    throw new AssertionError("closed twice: " + uuid);
                }
                pool.giveBack(units(type));
            }
        };
    }

    private static int units(MdevType type) {
        return type.equals(SMALL) ? 1 : 4;
    }
}
