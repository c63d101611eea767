package org.vfio4j.fuzz;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * An input that is a row of steps: each is its length (16 bits) and that many bytes. Every byte array is such a row: the last
 * record ends where the array does. Stateless.
 */
final class Records {

    static final int MAX_BYTES = 0xffff;

    private Records() {}

    static List<byte[]> split(byte[] input) {
        List<byte[]> records = new ArrayList<>();
        int at = 0;
        while (at + 2 <= input.length) {
            int length = (input[at] & 0xff) | (input[at + 1] & 0xff) << 8;
            int end = Math.min(at + 2 + length, input.length);
            records.add(Arrays.copyOfRange(input, at + 2, end));
            at = end;
        }
        return records;
    }

    static byte[] join(List<byte[]> records) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (byte[] record : records) {
            int length = Math.min(record.length, MAX_BYTES);
            out.write(length);
            out.write(length >>> 8);
            out.write(record, 0, length);
        }
        return out.toByteArray();
    }

    static byte[] join(byte[]... records) {
        return join(Arrays.asList(records));
    }
}
