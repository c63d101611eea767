package org.vfio4j.cli.load;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** What {@code vfio bench} can measure of a disk, with the names that {@code --workload} knows. */
public enum Workload {
    RANDREAD("random read", 100, false),
    RANDWRITE("random write", 0, false),
    READ("sequential read", 100, true),
    WRITE("sequential write", 0, true),
    MIXED("random 70 % read, 30 % write", 70, false);

    private static final int RANDOM_BYTES = 4096;
    private static final int SEQUENTIAL_BYTES = 128 << 10;

    private final String description;
    private final int readPercent;
    private final boolean sequential;

    Workload(String description, int readPercent, boolean sequential) {
        this.description = description;
        this.readPercent = readPercent;
        this.sequential = sequential;
    }

    String description() {
        return description;
    }

    /** Of all requests; the others write. */
    int readPercent() {
        return readPercent;
    }

    boolean sequential() {
        return sequential;
    }

    public boolean writes() {
        return readPercent < 100;
    }

    public int defaultBytes() {
        return sequential ? SEQUENTIAL_BYTES : RANDOM_BYTES;
    }

    public List<Integer> defaultDepths() {
        return sequential ? List.of(8) : List.of(1, 32, 128);
    }

    /** As {@code randread}. */
    public String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** All words, for messages. */
    public static String words() {
        return Arrays.stream(values()).map(Workload::word).collect(Collectors.joining(", "));
    }
}
