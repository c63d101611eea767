package org.vfio4j.cli.machine;

import static org.vfio4j.sys.Errno.EBUSY;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.cli.device.Placed;
import org.vfio4j.sys.ErrnoException;

/**
 * How a function gets its driver and loses it, and its server with it. Any thread calls; one at a time changes a function, and a second
 * one is refused.
 */
final class FunctionBinding {

    private final PciDevice device;
    private final FunctionDriver driver;
    private final FunctionService service;
    private final ReentrantLock change = new ReentrantLock();
    private Optional<String> usual = Optional.empty(); // guarded by change

    FunctionBinding(PciDevice device, FunctionDriver driver, FunctionService service) {
        this.device = device;
        this.driver = driver;
        this.service = service;
    }

    /** See {@link MachineFunction#bind}; its dependents are the caller's. */
    void bind(Optional<String> wanted) {
        exclusively("bind", () -> driver.bind(wanted.or(() -> usual), this::startOrUnbind));
    }

    /** See {@link MachineFunction#attach}; its dependents are the caller's. */
    void attach(Runnable onBus) {
        exclusively("bind", () -> {
            onBus.run();
            startIfBound();
        });
    }

    /** See {@link MachineFunction#bindFirst}. */
    void bindFirst(Optional<String> first, Optional<String> usually) {
        Optional<String> wanted = first.or(() -> usually);
        exclusively("bind", () -> {
            usual = usually;
            Optional<String> has = driver.name();
            if (has.isPresent() && wanted.orElse(has.get()).equals(has.get()) && driver.isFit()) {
                startOrUnbind();
                return;
            }
            if (has.isPresent()) {
                driver.takeAway(PciBus.FOREVER);
            }
            driver.bind(wanted, this::startOrUnbind);
        });
    }

    /** A driver may have it again, because another device has got its driver. */
    void serveWhatIsBound() {
        try {
            exclusively("serve", this::startIfBound);
        } catch (ErrnoException e) {
            // What was asked for is done, and it was about another function.
            System.getLogger(FunctionBinding.class.getName())
                    .log(System.Logger.Level.WARNING, "{0} is not served: {1}", device, e.getMessage());
        }
    }

    private void startIfBound() {
        if (service.vfio().isEmpty() && driver.findVfioDevice().isPresent()) {
            startOrUnbind();
        }
    }

    private void startOrUnbind() {
        if (driver.use() == Placed.Use.NATIVE) {
            return;
        }
        try {
            service.driverCame(driver.vfioDevice());
        } catch (RuntimeException e) {
            driver.takeAway(PciBus.FOREVER);
            service.driverGone();
            throw e;
        }
    }

    /** Has functions lose their driver: their clients are asked to let go. When that fails they are served as before. */
    static void take(String what, List<FunctionBinding> all, Runnable taking) {
        exclusively(what, all, () -> {
            all.forEach(function -> function.service.letGo());
            try {
                taking.run();
            } catch (ErrnoException e) {
                if (!anyLostItsServer(all)) {
                    serveAgain(all);
                    throw e;
                }
                // The client went at the last moment, and the server with it: nobody is to be waited for.
                takeOrServe(taking, all);
            }
            all.forEach(function -> function.service.driverGone());
        });
    }

    private static void takeOrServe(Runnable taking, List<FunctionBinding> all) {
        try {
            taking.run();
        } catch (ErrnoException e) {
            serveAgain(all);
            throw e;
        }
    }

    private static void serveAgain(List<FunctionBinding> all) {
        all.forEach(function -> function.service.serveAgain());
    }

    private static boolean anyLostItsServer(List<FunctionBinding> all) {
        boolean lost = false;
        for (FunctionBinding function : all) {
            // Each is asked: those that still have it go on.
            lost |= function.service.hasLetGo();
        }
        return lost;
    }

    /**
     * Changes it while nobody else does.
     *
     * @throws ErrnoException EBUSY when another is at it; what {@code work} says
     */
    void exclusively(String what, Runnable work) {
        exclusively(what, List.of(this), work);
    }

    private static void exclusively(String what, List<FunctionBinding> all, Runnable work) {
        List<FunctionBinding> held = new ArrayList<>();
        try {
            for (FunctionBinding function : all) {
                function.hold(what);
                held.add(function);
            }
            work.run();
        } finally {
            held.forEach(FunctionBinding::release);
        }
    }

    /**
     * Keeps others from changing it, until {@link #release} from the same thread.
     *
     * @throws ErrnoException EBUSY when another is at it
     */
    void hold(String what) {
        if (!change.tryLock()) {
            throw new ErrnoException(EBUSY, what + " " + device + ": it is being bound or unbound already");
        }
    }

    /** The same, after a wait of at most {@code limit} for whoever is at it. */
    void hold(String what, Duration limit) {
        try {
            if (change.tryLock(limit.toNanos(), TimeUnit.NANOSECONDS)) {
                return;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        throw new ErrnoException(EBUSY, what + " " + device + ": it is being bound or unbound all the time");
    }

    /** The same, however long that takes. */
    void awaitHold() {
        change.lock();
    }

    void release() {
        change.unlock();
    }
}
