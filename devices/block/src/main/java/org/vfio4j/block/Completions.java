package org.vfio4j.block;

/** Completions that wait for delivery, of requests that were done at once: a ring of {@code depth} places. */
final class Completions {

    private final int[] tags;
    private final int[] results;
    private int head;
    private int count;

    Completions(int depth) {
        tags = new int[depth];
        results = new int[depth];
    }

    void add(int tag, int result) {
        int at = head + count;
        at = at >= tags.length ? at - tags.length : at;
        tags[at] = tag;
        results[at] = result;
        count++;
    }

    int deliver(BlockCompletion handler) {
        int delivered = 0;
        while (count > 0) {
            int tag = tags[head];
            int result = results[head];
            head = head + 1 == tags.length ? 0 : head + 1;
            count--;
            handler.complete(tag, result);
            delivered++;
        }
        return delivered;
    }

    int size() {
        return count;
    }
}
