package org.vfio4j.cli.control;

import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.lang.System.Logger.Level;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.vfio4j.cli.mdev.MdevEvent;
import org.vfio4j.cli.socket.LineSocket;
import org.vfio4j.cli.text.Output;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevBusListener;
import org.vfio4j.mdevcore.MdevDevice;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.sys.ErrnoException;

/**
 * Tells a client of the control socket what there is of mdevs and then what happens, a line for each, until it hangs up. Whoever changes the
 * bus never waits for it: a client that does not read loses its connection. The connection's thread runs it.
 */
final class MdevEvents implements MdevBusListener {

    private static final System.Logger LOG = System.getLogger(MdevEvents.class.getName());

    /** More than a thousand mdevs of some parents. */
    private static final int MOST_WAITING = 1 << 16;

    private static final long LOOK_MS = 500;
    private static final long PATIENCE_NS = 10_000_000_000L;

    private final BlockingQueue<MdevEvent> waiting = new LinkedBlockingQueue<>(MOST_WAITING);
    private volatile boolean lost;

    private MdevEvents() {}

    /** @param ending whether the process wants to end */
    static void tell(MdevBus bus, LineSocket client, BooleanSupplier ending) {
        MdevEvents events = new MdevEvents();
        bus.addListener(events);
        try (client) {
            events.run(client, ending);
        } catch (ErrnoException e) {
            LOG.log(Level.DEBUG, "a client that is told of mdevs: {0}", e.getMessage());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            bus.removeListener(events);
        }
    }

    private void run(LineSocket client, BooleanSupplier ending) throws InterruptedException {
        while (!lost && !ending.getAsBoolean()) {
            MdevEvent event = waiting.poll(LOOK_MS, TimeUnit.MILLISECONDS);
            if (event != null) {
                client.write(Output.jsonLine(MdevEvent.KIND, List.of(event), MdevEvent::write), PATIENCE_NS);
            } else {
                checkThere(client);
            }
        }
    }

    /** @throws ErrnoException ECONNRESET when it has hung up */
    private static void checkThere(LineSocket client) {
        try {
            client.read(ControlSocket.MAX_REQUEST_BYTES, 0, ns -> {});
        } catch (ErrnoException e) {
            if (e.errno() != ETIMEDOUT) {
                throw e;
            }
        }
    }

    @Override
    public void registered(MdevParent parent) {
        add("change", parent.path(), "registered");
    }

    @Override
    public void unregistered(MdevParent parent) {
        add("change", parent.path(), "unregistered");
    }

    @Override
    public void added(MdevDevice device) {
        add("add", device.path(), "");
    }

    @Override
    public void removed(MdevDevice device) {
        add("remove", device.path(), "");
    }

    private void add(String action, String path, String state) {
        lost |= !waiting.offer(
                new MdevEvent(action, path, state, ProcessHandle.current().pid()));
    }
}
