package org.vfio4j.vfiouser;

import static org.vfio4j.sys.Errno.EINVAL;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.sys.Fd;

/**
 * The notation of a {@link ServerHandover}: numbers in network order, and descriptors as places in a list that goes along.
 */
final class HandoverRecord {

    private HandoverRecord() {}

    private static final int NO_FD = -1;

    /** Writes one; what it is given of descriptors it duplicates. */
    static final class Writer {

        private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        private final DataOutputStream out = new DataOutputStream(bytes);
        private final List<Fd> fds = new ArrayList<>();
        private final Map<Fd, Integer> places = new IdentityHashMap<>();

        Writer number(int value) {
            return put(() -> out.writeInt(value));
        }

        Writer number64(long value) {
            return put(() -> out.writeLong(value));
        }

        Writer flag(boolean value) {
            return put(() -> out.writeBoolean(value));
        }

        Writer text(String value) {
            return bytes(value.getBytes(StandardCharsets.UTF_8));
        }

        Writer bytes(byte[] value) {
            number(value.length);
            return put(() -> out.write(value));
        }

        Writer fd(Optional<Fd> value) {
            if (value.isEmpty()) {
                return number(NO_FD);
            }
            Integer known = places.get(value.get());
            if (known == null) {
                known = fds.size();
                fds.add(value.get().dup());
                places.put(value.get(), known);
            }
            return number(known);
        }

        byte[] bytes() {
            return bytes.toByteArray();
        }

        /** The caller's from now on. */
        List<Fd> fds() {
            return fds;
        }

        private Writer put(Step step) {
            try {
                step.run();
                return this;
            } catch (IOException e) {
                throw new UncheckedIOException("write to memory", e);
            }
        }

        private interface Step {
            void run() throws IOException;
        }
    }

    /** Reads one: what does not make sense is EINVAL, so that each descriptor has one place in what is read. */
    static final class Reader {

        private final DataInputStream in;
        private final List<Fd> fds;
        private final int size;
        private final BitSet given = new BitSet();
        private final BitSet shared = new BitSet();

        /** @param fds given out as they are: who takes one owns it */
        Reader(byte[] bytes, List<Fd> fds) {
            in = new DataInputStream(new ByteArrayInputStream(bytes));
            this.fds = fds;
            size = bytes.length;
        }

        int number() {
            return get(in::readInt);
        }

        /** A number of things that follow, each of which takes at least a byte. */
        int count() {
            int count = number();
            if (count < 0 || count > size) {
                throw invalid("a count of " + count);
            }
            return count;
        }

        long number64() {
            return get(in::readLong);
        }

        boolean flag() {
            return get(in::readBoolean);
        }

        String text() {
            return new String(bytes(), StandardCharsets.UTF_8);
        }

        byte[] bytes() {
            byte[] value = new byte[count()];
            get(() -> {
                in.readFully(value);
                return value;
            });
            return value;
        }

        /** A descriptor that stands nowhere else in the record. */
        Optional<Fd> fd() {
            return fd(false);
        }

        /** A descriptor that may stand at several such places. */
        Optional<Fd> sharedFd() {
            return fd(true);
        }

        private Optional<Fd> fd(boolean shares) {
            int index = number();
            if (index == NO_FD) {
                return Optional.empty();
            }
            if (index < 0 || index >= fds.size()) {
                throw invalid("descriptor " + index + " of " + fds.size());
            }
            if (given.get(index) && !(shares && shared.get(index))) {
                throw invalid("descriptor " + index + " at two places");
            }
            given.set(index);
            shared.set(index, shares);
            return Optional.of(fds.get(index));
        }

        void end() {
            if (get(in::available) != 0) {
                throw invalid("bytes behind its end");
            }
            if (given.cardinality() != fds.size()) {
                throw invalid(fds.size() + " descriptors, of which it names " + given.cardinality());
            }
        }

        private static <T> T get(Step<T> step) {
            try {
                return step.run();
            } catch (IOException e) {
                throw invalid("it is cut short");
            }
        }

        static ErrnoException invalid(String what) {
            return new ErrnoException(EINVAL, "take over a server: " + what);
        }

        private interface Step<T> {
            T run() throws IOException;
        }
    }
}
