package org.vfio4j.fuzz;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;

/** Makes a new input of old ones. */
interface Mutator {

    /** Knows nothing of what the bytes mean. */
    Mutator BYTES = Mutator::bytes;

    /** Knows that the input is a row of {@link Records}: changes bytes within them, and their order and number. */
    Mutator RECORDS = Mutator::records;

    /**
     * @param input to start from; left as it is
     * @param other to take pieces from
     */
    byte[] mutate(byte[] input, byte[] other, RandomGenerator random);

    private static byte[] bytes(byte[] input, byte[] other, RandomGenerator random) {
        byte[] result = input.clone();
        for (int i = random.nextInt(4); i >= 0; i--) {
            result = Edits.LIST.get(random.nextInt(Edits.LIST.size())).apply(result, other, random);
        }
        return result;
    }

    private static byte[] records(byte[] input, byte[] other, RandomGenerator random) {
        List<byte[]> records = new ArrayList<>(Records.split(input));
        List<byte[]> others = Records.split(other);
        for (int i = random.nextInt(4); i >= 0; i--) {
            if (records.isEmpty()) {
                records.addAll(others);
                continue;
            }
            int at = random.nextInt(records.size());
            byte[] from = others.isEmpty() ? records.get(at) : others.get(random.nextInt(others.size()));
            switch (random.nextInt(12)) {
                case 0 -> records.remove(at);
                case 1 -> records.add(at, records.get(random.nextInt(records.size())));
                case 2 -> records.add(at, from);
                case 3 -> records.set(at, records.set(random.nextInt(records.size()), records.get(at)));
                case 4 -> records.set(at, bytes(records.get(at), from, random));
                default -> records.set(at, Edits.inPlace(records.get(at), random));
            }
        }
        return Records.join(records);
    }

    /** One change to an array of bytes. */
    interface Edit {
        byte[] apply(byte[] bytes, byte[] other, RandomGenerator random);
    }

    /** The changes that there are. */
    final class Edits {

        private static final int MAX_GROWTH = 64;

        /** Numbers at whose edges decoders go wrong. */
        private static final long[] EDGES = {
            0,
            1,
            -1,
            2,
            7,
            8,
            0x7f,
            0xff,
            0x100,
            0x7fff,
            0xffff,
            0x1000,
            0xfff,
            0x7fff_ffff,
            0x8000_0000L,
            0xffff_ffffL,
            Long.MAX_VALUE,
            Long.MIN_VALUE,
            -0x1000,
            -2
        };

        static final List<Edit> LIST = List.of(
                (bytes, other, random) -> inPlace(bytes, random),
                (bytes, other, random) -> inPlace(bytes, random),
                (bytes, other, random) -> inPlace(bytes, random),
                (bytes, other, random) -> Arrays.copyOf(bytes, random.nextInt(bytes.length + 1)),
                (bytes, other, random) -> insert(bytes, random.nextInt(bytes.length + 1), noise(random)),
                (bytes, other, random) -> insert(bytes, random.nextInt(bytes.length + 1), piece(bytes, random)),
                (bytes, other, random) -> insert(bytes, random.nextInt(bytes.length + 1), piece(other, random)),
                (bytes, other, random) -> cut(bytes, random));

        private Edits() {}

        /** Changes some bytes, and keeps their number. */
        static byte[] inPlace(byte[] bytes, RandomGenerator random) {
            if (bytes.length == 0) {
                return bytes;
            }
            byte[] result = bytes.clone();
            int width = 1 << random.nextInt(4);
            // Fields mostly lie at multiples of their width.
            int at = random.nextInt(bytes.length) & (random.nextInt(4) == 0 ? -1 : -width);
            switch (random.nextInt(4)) {
                case 0 -> result[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> result[at] = (byte) random.nextInt();
                case 2 -> result[at] += (byte) (random.nextInt(9) - 4);
                default -> put(result, at, width, EDGES[random.nextInt(EDGES.length)]);
            }
            return result;
        }

        private static void put(byte[] bytes, int at, int width, long value) {
            for (int i = 0; i < width && at + i < bytes.length; i++) {
                bytes[at + i] = (byte) (value >>> (8 * i));
            }
        }

        private static byte[] noise(RandomGenerator random) {
            byte[] noise = new byte[1 + random.nextInt(MAX_GROWTH)];
            random.nextBytes(noise);
            return noise;
        }

        private static byte[] piece(byte[] bytes, RandomGenerator random) {
            int from = random.nextInt(bytes.length + 1);
            return Arrays.copyOfRange(
                    bytes, from, from + random.nextInt(Math.min(bytes.length - from, MAX_GROWTH) + 1));
        }

        private static byte[] insert(byte[] bytes, int at, byte[] piece) {
            byte[] result = Arrays.copyOf(bytes, bytes.length + piece.length);
            System.arraycopy(bytes, at, result, at + piece.length, bytes.length - at);
            System.arraycopy(piece, 0, result, at, piece.length);
            return result;
        }

        private static byte[] cut(byte[] bytes, RandomGenerator random) {
            int from = random.nextInt(bytes.length + 1);
            int to = from + random.nextInt(Math.min(bytes.length - from, MAX_GROWTH) + 1);
            byte[] result = Arrays.copyOf(bytes, bytes.length - (to - from));
            System.arraycopy(bytes, to, result, from, bytes.length - to);
            return result;
        }
    }
}
