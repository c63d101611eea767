package org.vfio4j.sysfsfuse;

import static org.vfio4j.sys.Errno.EIO;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.vfio4j.fuse.FuseNode;
import org.vfio4j.sys.ErrnoException;

/**
 * A file of text, as {@code struct device_attribute}: what it says is asked for when it is read from its beginning, and each write is
 * one value, wherever it goes.
 *
 * @param show what it says, without the line's end
 * @param store takes what is written, without a line's end
 */
record Attribute(Optional<Supplier<String>> show, Optional<Consumer<String>> store) implements FuseNode.File {

    private static final int PAGE_BYTES = 4096;

    /** One that can be read only. */
    static Attribute readable(Supplier<String> show) {
        return new Attribute(Optional.of(show), Optional.empty());
    }

    /** One that can be written only. */
    static Attribute writable(Consumer<String> store) {
        return new Attribute(Optional.empty(), Optional.of(store));
    }

    static Attribute of(Supplier<String> show, Consumer<String> store) {
        return new Attribute(Optional.of(show), Optional.of(store));
    }

    @Override
    public int mode() {
        return (show.isPresent() ? 0444 : 0) | (store.isPresent() ? 0200 : 0);
    }

    @Override
    public long sizeBytes() {
        return PAGE_BYTES;
    }

    @Override
    public FuseNode.Handle open() {
        return new Open();
    }

    private final class Open implements FuseNode.Handle {

        private byte[] shown = new byte[0];

        @Override
        public byte[] read(long offset, int length) {
            if (offset == 0) {
                String text = show.orElseThrow(() -> new ErrnoException(EIO, "read what is only written"))
                        .get();
                shown = (text + "\n").getBytes(StandardCharsets.UTF_8);
            }
            int from = (int) Math.min(offset, shown.length);
            return Arrays.copyOfRange(shown, from, Math.min(from + length, shown.length));
        }

        @Override
        public int write(long offset, byte[] data) {
            Consumer<String> take = store.orElseThrow(() -> new ErrnoException(EIO, "write what is only read"));
            String text = new String(data, StandardCharsets.UTF_8);
            take.accept(text.endsWith("\n") ? text.substring(0, text.length() - 1) : text);
            return data.length;
        }
    }
}
