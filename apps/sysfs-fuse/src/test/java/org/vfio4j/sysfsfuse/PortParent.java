package org.vfio4j.sysfsfuse;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EUSERS;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.vfio4j.mdevcore.MdevAttribute;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevDriver;
import org.vfio4j.mdevcore.MdevInstance;
import org.vfio4j.mdevcore.MdevParentOps;
import org.vfio4j.mdevcore.MdevType;
import org.vfio4j.sys.ErrnoException;

/** A parent of devices that have one attribute in a group, two of them in all; and a driver that takes all. */
final class PortParent implements MdevParentOps, MdevDriver {

    private static final MdevType TYPE =
            new MdevType("port-1", "vfio-pci", "One port", Optional.of("a port for tests"));

    private int left = 2;

    @Override
    public String driverName() {
        return "port";
    }

    @Override
    public List<MdevType> types() {
        return List.of(TYPE);
    }

    @Override
    public int availableInstances(MdevType type) {
        return left;
    }

    @Override
    public MdevInstance create(MdevType type, UUID uuid) {
        if (left == 0) {
            throw new ErrnoException(EUSERS, "create");
        }
        left--;
        return new Port();
    }

    @Override
    public String name() {
        return "test-mdev";
    }

    @Override
    public void probe(MdevDevice device) {}

    @Override
    public void remove(MdevDevice device, Duration limit) {}

    private final class Port implements MdevInstance, MdevAttribute {

        private String peer = "none";

        @Override
        public Map<String, MdevAttribute> attributes() {
            return Map.of("port0/peer", this);
        }

        @Override
        public String show() {
            return peer;
        }

        @Override
        public void store(String value) {
            if (value.isEmpty()) {
                throw new ErrnoException(EINVAL, "store");
            }
            peer = value;
        }

        @Override
        public void close() {
            left++;
        }
    }
}
