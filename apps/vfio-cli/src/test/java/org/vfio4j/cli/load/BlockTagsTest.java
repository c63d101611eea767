package org.vfio4j.cli.load;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;

/** What {@code vfio bench --verify} finds. */
class BlockTagsTest {

    private static final int BYTES = 4096;

    private final BlockTags tags = new BlockTags(1 << 20, 16, BYTES);
    private final MemorySegment buffer = MemorySegment.ofArray(new byte[BYTES]);

    @Test
    void acceptsWhatWasWrittenLast() {
        write(3);
        write(3);
        read(3);
    }

    @Test
    void saysNothingOfWhatItHasNotWritten() {
        read(5);
    }

    @Test
    void findsAnOlderWrite() {
        write(3);
        MemorySegment old = MemorySegment.ofArray(buffer.toArray(ValueLayout.JAVA_BYTE));
        write(3);
        assertThat(tags.take(3)).isTrue();
        assertThatThrownBy(() -> tags.read(old, 3)).hasMessageContaining("write 1 of byte 1060864 instead of write 2");
    }

    @Test
    void findsAnotherBlocksData() {
        write(3);
        write(4);
        assertThatThrownBy(() -> read(3)).hasMessageContaining("wrong data at byte 1060864: write 1 of byte 1064960");
    }

    @Test
    void findsEveryWordThatChanged() {
        for (int at = 0; at < BYTES; at += Long.BYTES) {
            write(3);
            buffer.set(ValueLayout.JAVA_BYTE, at + 7, (byte) (buffer.get(ValueLayout.JAVA_BYTE, at + 7) ^ 0x40));
            assertThatThrownBy(() -> read(3)).as("byte %d", at + 7).hasMessageContaining("data at byte");
        }
    }

    @Test
    void findsHalfAWrite() {
        write(3);
        byte[] old = buffer.toArray(ValueLayout.JAVA_BYTE);
        write(3);
        MemorySegment.copy(MemorySegment.ofArray(old), 2048, buffer, 2048, 2048);
        assertThatThrownBy(() -> read(3)).hasMessageContaining("torn data at byte " + (1060864 + 2048));
    }

    @Test
    void givesABlockToOneRequestAtATime() {
        assertThat(tags.take(3)).isTrue();
        assertThat(tags.take(3)).isFalse();
        tags.written(3);
        assertThat(tags.take(3)).isTrue();
    }

    private void write(long block) {
        assertThat(tags.take(block)).isTrue();
        tags.paint(buffer, block);
        tags.written(block);
    }

    private void read(long block) {
        tags.take(block);
        tags.read(buffer, block);
    }
}
