package org.vfio4j.nvme;

import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * The SMART / Health Information log (Base 5.16.1.3). It has no thermometer and does not wear out: the temperature is a room's until
 * it is set, and the spare is all there. Belongs to the queue thread.
 */
final class SmartLog {

    static final int SIZE = 512;
    static final int LOG_PAGE = 0x02;

    // Offsets; Base figure 207.
    static final int CRITICAL_WARNING = 0;
    static final int COMPOSITE_TEMPERATURE = 1;
    static final int AVAILABLE_SPARE = 3;
    static final int AVAILABLE_SPARE_THRESHOLD = 4;
    static final int DATA_UNITS_READ = 32;
    static final int DATA_UNITS_WRITTEN = 48;
    static final int HOST_READ_COMMANDS = 64;
    static final int HOST_WRITE_COMMANDS = 80;
    static final int POWER_CYCLES = 112;
    static final int POWER_ON_HOURS = 128;
    static final int UNSAFE_SHUTDOWNS = 144;
    static final int MEDIA_ERRORS = 160;
    static final int ERROR_LOG_ENTRIES = 176;

    static final int WARNING_TEMPERATURE = 1 << 1;

    /** WCTEMP and CCTEMP. */
    static final int WARNING_KELVIN = 343;

    static final int CRITICAL_KELVIN = 358;

    private static final int ROOM_KELVIN = 298;
    private static final long DATA_UNIT_BYTES = 512 * 1000;
    private static final int ALL_SPARE_PERCENT = 100;
    private static final int SPARE_THRESHOLD_PERCENT = 10;

    private final Supplier<IoTally> tallies;
    private final ErrorLog errors;
    private final AsyncEvents events;
    private final LongSupplier nanoTime;
    private final long poweredOnNanos;

    private int temperatureKelvin = ROOM_KELVIN;
    private int overKelvin;
    private int underKelvin;
    private int criticalWarning;

    /** What other controllers have counted before this one took over. */
    private Counters before = new Counters(0, 0, 0, 0, 0, 1, 0);

    /** What is counted over the life of a controller, wherever it runs. */
    record Counters(
            long readBytes,
            long writtenBytes,
            long reads,
            long writes,
            long mediaErrors,
            long powerCycles,
            long poweredOnSeconds) {}

    /**
     * @param tallies what has been counted so far
     * @param nanoTime a clock that only goes forward
     */
    SmartLog(Supplier<IoTally> tallies, ErrorLog errors, AsyncEvents events, LongSupplier nanoTime) {
        this.tallies = tallies;
        this.errors = errors;
        this.events = events;
        this.nanoTime = nanoTime;
        poweredOnNanos = nanoTime.getAsLong();
        resetThresholds();
    }

    int temperatureKelvin() {
        return temperatureKelvin;
    }

    /** The composite temperature; it may warn. */
    void setTemperature(int kelvin) {
        temperatureKelvin = kelvin;
        judgeTemperature();
    }

    int overKelvin() {
        return overKelvin;
    }

    int underKelvin() {
        return underKelvin;
    }

    /** Temperature Threshold (Base 5.27.1.3); it may warn. */
    void setThresholds(int over, int under) {
        overKelvin = over;
        underKelvin = under;
        judgeTemperature();
    }

    void resetThresholds() {
        setThresholds(WARNING_KELVIN, 0);
    }

    ByteBuffer page() {
        Counters now = counters();
        ByteBuffer page = Bytes.structure(SIZE);
        page.put(CRITICAL_WARNING, (byte) criticalWarning);
        page.putShort(COMPOSITE_TEMPERATURE, (short) temperatureKelvin);
        page.put(AVAILABLE_SPARE, (byte) ALL_SPARE_PERCENT);
        page.put(AVAILABLE_SPARE_THRESHOLD, (byte) SPARE_THRESHOLD_PERCENT);
        Bytes.put128(page, DATA_UNITS_READ, dataUnits(now.readBytes));
        Bytes.put128(page, DATA_UNITS_WRITTEN, dataUnits(now.writtenBytes));
        Bytes.put128(page, HOST_READ_COMMANDS, now.reads);
        Bytes.put128(page, HOST_WRITE_COMMANDS, now.writes);
        Bytes.put128(page, POWER_CYCLES, now.powerCycles);
        Bytes.put128(page, POWER_ON_HOURS, TimeUnit.SECONDS.toHours(now.poweredOnSeconds));
        Bytes.put128(page, MEDIA_ERRORS, now.mediaErrors);
        Bytes.put128(page, ERROR_LOG_ENTRIES, errors.count());
        return page;
    }

    /** Thousands of 512 bytes, rounded up. */
    private static long dataUnits(long bytes) {
        return (bytes + DATA_UNIT_BYTES - 1) / DATA_UNIT_BYTES;
    }

    /** What has been counted, for {@link #load}. */
    Counters counters() {
        IoTally tally = tallies.get();
        return new Counters(
                before.readBytes + tally.readBytes + tally.checkedBytes,
                before.writtenBytes + tally.writtenBytes,
                before.reads + tally.reads + tally.compares,
                before.writes + tally.writes,
                before.mediaErrors + tally.mediaErrors,
                before.powerCycles,
                before.poweredOnSeconds + TimeUnit.NANOSECONDS.toSeconds(nanoTime.getAsLong() - poweredOnNanos));
    }

    /** Goes on from another controller's counters. */
    void load(Counters counters, int kelvin, int over, int under) {
        Counters here = counters();
        before = new Counters(
                counters.readBytes - (here.readBytes - before.readBytes),
                counters.writtenBytes - (here.writtenBytes - before.writtenBytes),
                counters.reads - (here.reads - before.reads),
                counters.writes - (here.writes - before.writes),
                counters.mediaErrors - (here.mediaErrors - before.mediaErrors),
                counters.powerCycles,
                counters.poweredOnSeconds - (here.poweredOnSeconds - before.poweredOnSeconds));
        temperatureKelvin = kelvin;
        overKelvin = over;
        underKelvin = under;
        criticalWarning = isTemperatureCritical() ? WARNING_TEMPERATURE : 0;
    }

    /** A warning that begins is an event; one that goes on is none. */
    private void judgeTemperature() {
        boolean warned = (criticalWarning & WARNING_TEMPERATURE) != 0;
        boolean critical = isTemperatureCritical();
        criticalWarning = critical ? WARNING_TEMPERATURE : 0;
        if (critical && !warned) {
            events.report(AsyncEvents.TYPE_SMART, AsyncEvents.SMART_TEMPERATURE, LOG_PAGE);
        }
    }

    private boolean isTemperatureCritical() {
        return temperatureKelvin >= overKelvin || temperatureKelvin <= underKelvin;
    }
}
