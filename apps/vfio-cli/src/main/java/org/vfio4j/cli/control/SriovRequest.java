package org.vfio4j.cli.control;

import java.time.Duration;
import java.util.Set;
import org.vfio4j.cli.machine.Machine;
import org.vfio4j.cli.machine.MachineFunction;

/**
 * A request to turn virtual functions on or off.
 *
 * @param kind {@link #KIND}
 * @param address the physical function's
 * @param numVfs how many are to be on
 * @param timeoutMs how long to wait for the users of those that go
 */
public record SriovRequest(String kind, String address, int numVfs, long timeoutMs) implements Request {

    static final String KIND = "SetNumVfs";

    static final RequestForm<SriovRequest> FORM = RequestForm.needingAll(SriovRequest.class, KIND);

    public SriovRequest {
        Request.checkTimeout(timeoutMs);
    }

    public static SriovRequest of(String address, int numVfs, long timeoutMs) {
        return new SriovRequest(KIND, address, numVfs, timeoutMs);
    }

    @Override
    public Duration timeout() {
        return Duration.ofMillis(timeoutMs);
    }

    void perform(Machine machine, MachineFunction function) {
        machine.virtuals().set(function, numVfs, timeout());
    }

    @Override
    public String line() {
        return FORM.line(this, Set.of());
    }
}
