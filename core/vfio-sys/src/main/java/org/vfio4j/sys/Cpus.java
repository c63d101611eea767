package org.vfio4j.sys;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.vfio4j.sys.Errno.EINVAL;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Processors by their numbers, and the one or the ones that a thread may run on: sched_setaffinity(2).
 *
 * @param numbers each once, in the order in which they were named
 */
public record Cpus(List<Integer> numbers) {

    /** No processors are named: threads run where the kernel likes. */
    public static final Cpus ANY = new Cpus(List.of());

    /** The most that Linux can be built for. */
    private static final int MOST = 8192;

    private static final int MASK_BYTES = MOST / Byte.SIZE;
    private static final int CALLING_THREAD = 0;
    private static final Pattern PIECE = Pattern.compile("(\\d{1,4})(?:-(\\d{1,4}))?");
    private static final CFunction GET = CFunction.of("sched_getaffinity");
    private static final CFunction SET = CFunction.of("sched_setaffinity");

    public Cpus {
        numbers = numbers.stream().distinct().toList();
    }

    /**
     * Reads a list as the kernel writes it.
     *
     * @param list as {@code 0,2-5}
     * @throws ErrnoException EINVAL when it is none, or has numbers of {@value #MOST} or more
     */
    public static Cpus parse(String list) {
        List<Integer> numbers = new ArrayList<>();
        for (String piece : list.split(",", -1)) {
            Matcher m = PIECE.matcher(piece);
            int first = m.matches() ? Integer.parseInt(m.group(1)) : MOST;
            int last = m.matches() && m.group(2) != null ? Integer.parseInt(m.group(2)) : first;
            if (first > last || last >= MOST) {
                throw new ErrnoException(
                        EINVAL, "CPU list '" + list + "': expected numbers below " + MOST + ", as in 0,2-5");
            }
            for (int cpu = first; cpu <= last; cpu++) {
                numbers.add(cpu);
            }
        }
        return new Cpus(numbers);
    }

    /** The processors that the calling thread may run on. */
    public static Cpus allowed() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment mask = arena.allocate(MASK_BYTES, Long.BYTES);
            ErrnoException.check(GET.callInt(CALLING_THREAD, MASK_BYTES, mask.address()), "sched_getaffinity");
            return new Cpus(
                    BitSet.valueOf(mask.toArray(JAVA_BYTE)).stream().boxed().toList());
        }
    }

    /**
     * Refuses processors that the calling thread could not be moved to.
     *
     * @throws ErrnoException EINVAL, naming the first that does not exist or is not allowed to this process
     */
    public void checkAllowed() {
        Cpus allowed = allowed();
        for (int cpu : numbers) {
            if (!allowed.numbers.contains(cpu)) {
                throw new ErrnoException(
                        EINVAL,
                        "CPU " + cpu + ", which does not exist or is not allowed to this process: it may use "
                                + allowed);
            }
        }
    }

    /**
     * Keeps the calling thread on these processors from now on, and the threads that it starts.
     *
     * @throws ErrnoException EINVAL when none of them exists and is allowed
     */
    public void pinCallingThread() {
        BitSet bits = new BitSet(MOST);
        numbers.forEach(bits::set);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment mask = arena.allocate(MASK_BYTES, Long.BYTES);
            MemorySegment.copy(MemorySegment.ofArray(bits.toByteArray()), 0, mask, 0, bits.toByteArray().length);
            int result = SET.callInt(CALLING_THREAD, MASK_BYTES, mask.address());
            ErrnoException.check(result, "sched_setaffinity to CPUs " + this);
        }
    }

    /** Those of thread {@code index} of several that share these out: one each, in turn; {@link #ANY} of none. */
    public Cpus ofThread(int index) {
        return numbers.isEmpty() ? ANY : new Cpus(List.of(numbers.get(index % numbers.size())));
    }

    public boolean isEmpty() {
        return numbers.isEmpty();
    }

    /** As the kernel writes a list: {@code 0,2-5}. */
    @Override
    public String toString() {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < numbers.size(); i++) {
            int first = i;
            while (i + 1 < numbers.size() && numbers.get(i + 1) == numbers.get(i) + 1) {
                i++;
            }
            text.append(text.isEmpty() ? "" : ",").append(numbers.get(first));
            text.append(i > first ? "-" + numbers.get(i) : "");
        }
        return text.toString();
    }
}
