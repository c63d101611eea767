package org.vfio4j.testkit;

import java.util.List;
import java.util.SplittableRandom;

/**
 * An endless row of bad messages: noise, plausible headers with wrong payloads, right messages with a few bits turned over or an
 * end cut off. The same seed gives the same row.
 */
public final class HostileMessages {

    private static final int MAX_COMMAND = 22;
    private static final int MAX_NOISE = 200;

    private final SplittableRandom random;
    private final List<RawMessage> good;

    /** @param good right messages to start from, at least one */
    public HostileMessages(long seed, List<RawMessage> good) {
        random = new SplittableRandom(seed);
        this.good = List.copyOf(good);
    }

    /** The next bytes to send. */
    public byte[] next() {
        return switch (random.nextInt(8)) {
            case 0 -> noise(1 + random.nextInt(MAX_NOISE));
            case 1, 2 -> plausible();
            case 3 -> cut(someGood().toBytes());
            case 4 -> someGood().withStatedSize(random.nextInt(64)).toBytes();
            case 5 -> someGood().withFlags(random.nextInt(256)).toBytes();
            default -> turned(someGood().toBytes());
        };
    }

    /** True once in {@code n} times. */
    public boolean oneIn(int n) {
        return random.nextInt(n) == 0;
    }

    private RawMessage someGood() {
        return good.get(random.nextInt(good.size())).withId(random.nextInt(0x10000));
    }

    private byte[] noise(int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    private byte[] plausible() {
        byte[] payload = noise(random.nextInt(64));
        // Small numbers reach further than random ones do.
        for (int i = 0; i < payload.length; i++) {
            if (random.nextInt(3) != 0) {
                payload[i] = (byte) random.nextInt(3);
            }
        }
        return RawMessage.command(random.nextInt(MAX_COMMAND), payload).toBytes();
    }

    private byte[] cut(byte[] bytes) {
        return java.util.Arrays.copyOf(bytes, random.nextInt(bytes.length));
    }

    private byte[] turned(byte[] bytes) {
        for (int i = random.nextInt(4); i >= 0; i--) {
            // Mostly behind the header, whose size field would end the connection each time.
            boolean inPayload = bytes.length > RawMessage.HEADER_SIZE && random.nextInt(8) != 0;
            int at = inPayload
                    ? RawMessage.HEADER_SIZE + random.nextInt(bytes.length - RawMessage.HEADER_SIZE)
                    : random.nextInt(bytes.length);
            bytes[at] ^= (byte) (1 << random.nextInt(8));
        }
        return bytes;
    }
}
