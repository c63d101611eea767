package org.vfio4j.cli.keep;

import static org.vfio4j.sys.Errno.EPROTO;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * What a server leaves to the next one: descriptors under names, and notes. As text, a line each: {@code fd NAME}, in the order of the
 * descriptors, or {@code note TEXT}.
 *
 * @param fds by name, owned by this
 */
record Estate(Map<String, Fd> fds, List<String> notes) implements AutoCloseable {

    private static final String FD = "fd ";
    private static final String NOTE = "note ";

    /**
     * Reads what {@link #text} has written.
     *
     * @param given as many as there are names; they stay the caller's
     */
    static Estate parse(byte[] text, List<Fd> given) {
        Map<String, Fd> fds = new LinkedHashMap<>();
        List<String> notes = new ArrayList<>();
        for (String line : new String(text, StandardCharsets.UTF_8).lines().toList()) {
            if (line.startsWith(NOTE)) {
                notes.add(line.substring(NOTE.length()));
            } else if (line.startsWith(FD) && fds.size() < given.size()) {
                fds.put(line.substring(FD.length()), given.get(fds.size()).dup());
            } else {
                fds.values().forEach(Fd::close);
                throw new ErrnoException(EPROTO, "what a server has left: " + line);
            }
        }
        return new Estate(fds, List.copyOf(notes));
    }

    String text() {
        StringBuilder text = new StringBuilder();
        fds.keySet().forEach(name -> text.append(FD).append(name).append('\n'));
        notes.forEach(note -> text.append(NOTE).append(note).append('\n'));
        return text.toString();
    }

    boolean isEmpty() {
        return fds.isEmpty();
    }

    /** A duplicate, the caller's. */
    Optional<Fd> find(String name) {
        return Optional.ofNullable(fds.get(name)).map(Fd::dup);
    }

    /** Closes what is of no use any more. */
    void forget(Predicate<String> names) {
        fds.entrySet().removeIf(entry -> {
            boolean goes = names.test(entry.getKey());
            if (goes) {
                entry.getValue().close();
            }
            return goes;
        });
    }

    @Override
    public void close() {
        fds.values().forEach(Fd::close);
    }
}
