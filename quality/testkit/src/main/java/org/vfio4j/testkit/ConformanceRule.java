package org.vfio4j.testkit;

import java.util.function.Consumer;
import java.util.function.Supplier;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.VfioDeviceFile;

/**
 * One rule of the contract between a device and its users. Each check opens the device anew, resets it if it can be reset, and
 * closes it.
 */
public final class ConformanceRule {

    private final String name;
    private final Supplier<? extends VfioDeviceFile> opener;
    private final Consumer<DeviceUnderTest> body;

    ConformanceRule(String name, Supplier<? extends VfioDeviceFile> opener, Consumer<DeviceUnderTest> body) {
        this.name = name;
        this.opener = opener;
        this.body = body;
    }

    /** As {@code config.idsAreReadOnly}. */
    public String name() {
        return name;
    }

    /**
     * Holds the device against the rule.
     *
     * @return whether the rule says anything about this device: migration, for one, says nothing to a device that cannot
     * @throws AssertionError when it is broken: the message begins with the rule's name and tells what was seen
     */
    public boolean check() {
        try (VfioDeviceFile file = opener.get()) {
            DeviceUnderTest device = new DeviceUnderTest(file);
            device.resetIfPossible();
            body.accept(device);
            return true;
        } catch (DeviceUnderTest.NotApplicable e) {
            return false;
        } catch (AssertionError e) {
            throw new AssertionError(name + ": " + e.getMessage(), e);
        } catch (ErrnoException e) {
            throw new AssertionError(name + ": refused with " + e.getMessage(), e);
        } catch (RuntimeException e) {
            throw new AssertionError(name + ": threw " + e, e);
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
