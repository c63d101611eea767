package org.vfio4j.nvme;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.nvmedriver.NvmeCommand.*;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.vfio4j.nvmedriver.NvmeCommand;
import org.vfio4j.sys.RawMemory;

/** PRP entries and lists, SGLs: NVM Express Base 2.0, 4.1.1 and 4.1.2, and the statuses for those that are malformed. */
class DataPointerTest {

    private static final int DATA_BLOCK = 0x00;
    private static final int BIT_BUCKET = 0x10;
    private static final int SEGMENT = 0x20;
    private static final int LAST_SEGMENT = 0x30;
    private static final int KEYED = 0x40;

    private final NvmeFixture fixture = new NvmeFixture();
    private long data;
    private long list;

    @BeforeEach
    void setUp() {
        fixture.start();
        data = fixture.pages(20);
        list = fixture.pages(4);
    }

    @AfterEach
    void tearDown() {
        fixture.close();
    }

    @Test
    void prpOffsetsMustBeRight() {
        assertThat(fixture.io(READ, 0, 1, data + 2, 0).code()).isEqualTo(0x013);
        assertThat(fixture.io(READ, 0, 1, data + 4, 0).code()).isZero();
        assertThat(fixture.io(READ, 0, 8, data + 2048, data + 4096).code()).isZero();
        assertThat(fixture.io(READ, 0, 8, data + 2048, data + 4096 + 512).code())
                .isEqualTo(0x013);
        assertThat(fixture.io(READ, 0, 24, data, list + 4).code()).as("list").isEqualTo(0x013);
        putLong(list, data + 4096);
        putLong(list + 8, data + 8192 + 8);
        assertThat(fixture.io(READ, 0, 24, data, list).code()).as("entry").isEqualTo(0x013);
        putLong(list + 8, data + 8192);
        assertThat(fixture.io(READ, 0, 24, data, list).code()).isZero();
    }

    /** The last place of a page points on when more entries are needed than it has places. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void listsChain(boolean remote) {
        long lists = remote ? fixture.remotePages(4) : list;
        byte[] bytes = new byte[10 * 4096];
        new Random(1).nextBytes(bytes);
        fixture.memory.put(data, bytes);
        // 9 entries: 3 places in the first page, of which the last points on; 2 more pages.
        long first = lists + 4096 - 24;
        putLong(first, data + 4096);
        putLong(first + 8, data + 2 * 4096);
        putLong(first + 16, lists + 8192);
        for (int i = 3; i < 10; i++) {
            putLong(lists + 8192 + 8L * (i - 3), data + 4096L * i);
        }
        assertThat(fixture.io(WRITE, 0, 80, data, first).code()).isZero();
        fixture.memory.fill(data, bytes.length, 0);
        assertThat(fixture.io(READ, 0, 80, data, first).code()).isZero();
        assertThat(fixture.memory.get(data, bytes.length)).isEqualTo(bytes);
        putLong(first + 16, lists + 8192 + 8);
        assertThat(fixture.io(READ, 0, 80, data, first).code())
                .as("the next list's offset")
                .isEqualTo(0x013);
    }

    /** 128 entries would fit into a page just so: the last one is data. */
    @Test
    void aListThatFillsItsPageDoesNotChain() {
        long tail = list + 4096 - 9 * 8;
        for (int i = 1; i < 10; i++) {
            putLong(tail + 8L * (i - 1), data + 4096L * i);
        }
        assertThat(fixture.io(READ, 0, 80, data, tail).code()).isZero();
    }

    @Test
    void dataThatAreNotThereAreATransferError() {
        assertThat(fixture.io(READ, 0, 1, 0x7777_0000_0000L, 0).code()).isEqualTo(0x004);
        assertThat(fixture.io(WRITE, 0, 1, 0x7777_0000_0000L, 0).code()).isEqualTo(0x004);
        assertThat(fixture.io(READ, 0, 1, -4096L, 0).code()).isEqualTo(0x004);
        assertThat(fixture.io(READ, 0, 24, data, 0x7777_0000_0000L).code()).isEqualTo(0x004);
        assertThat(fixture.io(READ, 0, 1, fixture.memory.end() - 256, 0).code()).isEqualTo(0x004);
        assertThat(fixture.io(READ, 0, 1, data, 0).code()).isZero();
    }

    @Test
    void aPieceInMappedAndAPieceInOtherMemory() {
        byte[] bytes = new byte[8192];
        new Random(2).nextBytes(bytes);
        fixture.memory.put(data, bytes);
        assertThat(fixture.io(WRITE, 0, 16, data, data + 4096).code()).isZero();
        long remote = fixture.remotePages(1);
        assertThat(fixture.io(READ, 0, 16, data + 4096, remote).code()).isZero();
        assertThat(fixture.memory.get(remote, 4096)).isEqualTo(Arrays.copyOfRange(bytes, 4096, 8192));
    }

    @Test
    void anSglCanBeOneBlock() {
        fixture.memory.fill(data, 1024, 0x55);
        assertThat(sgl(WRITE, 2, data + 1, 1024, DATA_BLOCK)).isZero();
        fixture.memory.fill(data, 1024, 0);
        assertThat(sgl(READ, 2, data + 3, 1024, DATA_BLOCK)).isZero();
        assertThat(fixture.memory.get(data + 3, 1023)).containsOnly(0x55);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void segmentsChain(boolean remote) {
        long segments = remote ? fixture.remotePages(2) : list;
        byte[] bytes = new byte[4096];
        new Random(3).nextBytes(bytes);
        fixture.memory.put(data, bytes);
        descriptor(segments, 0, data, 100, DATA_BLOCK);
        descriptor(segments, 1, 0, 0, DATA_BLOCK);
        descriptor(segments, 2, segments + 4096, 32, LAST_SEGMENT);
        descriptor(segments + 4096, 0, data + 100, 3000, DATA_BLOCK);
        descriptor(segments + 4096, 1, data + 3100, 996, DATA_BLOCK);
        assertThat(sgl(WRITE, 8, segments, 48, SEGMENT)).isZero();
        long to = fixture.pages(1);
        assertThat(sgl(READ, 8, to, 4096, DATA_BLOCK)).isZero();
        assertThat(fixture.memory.get(to, 4096)).isEqualTo(bytes);
    }

    /** More pieces than a command in flight can have: one by one, all the same. */
    @Test
    void anSglOfManyPiecesIsCarriedOut() {
        int pieces = 512;
        long from = fixture.pages(8);
        long segment = fixture.pages(2);
        for (int i = 0; i < pieces; i++) {
            fixture.memory.fill(from + 32L * i, 8, i);
            descriptor(segment, i, from + 32L * i, 8, DATA_BLOCK);
        }
        assertThat(sgl(WRITE, 8, segment, 16 * pieces, LAST_SEGMENT)).isZero();
        assertThat(sgl(READ, 8, data, 4096, DATA_BLOCK)).isZero();
        for (int i = 0; i < pieces; i++) {
            assertThat(fixture.memory.get(data + 8L * i, 8)).containsOnly((byte) i);
        }
    }

    @Test
    void malformedSglsGetTheStatusOfTheirFault() {
        assertThat(sgl(READ, 8, data, 4096, BIT_BUCKET)).isEqualTo(0x011);
        assertThat(sgl(READ, 8, data, 4096, KEYED)).isEqualTo(0x011);
        assertThat(sgl(READ, 8, data, 4096, DATA_BLOCK | 1)).as("sub type").isEqualTo(0x011);
        assertThat(sgl(READ, 8, list, 16, SEGMENT | 1)).as("sub type").isEqualTo(0x011);
        assertThat(sgl(READ, 8, data, 4095, DATA_BLOCK)).as("short").isEqualTo(0x00f);
        assertThat(sgl(READ, 8, data, 4097, DATA_BLOCK)).as("long").isEqualTo(0x00f);
        assertThat(sgl(READ, 8, list, 0, LAST_SEGMENT)).as("empty").isEqualTo(0x00d);
        assertThat(sgl(READ, 8, list, 24, LAST_SEGMENT)).as("half a descriptor").isEqualTo(0x00d);
        assertThat(sgl(READ, 8, list + 4, 16, LAST_SEGMENT)).as("misplaced").isEqualTo(0x00d);
        descriptor(list, 0, list + 4096, 16, LAST_SEGMENT);
        descriptor(list, 1, data, 4096, DATA_BLOCK);
        assertThat(sgl(READ, 8, list, 32, SEGMENT)).as("not at the end").isEqualTo(0x00e);
        assertThat(sgl(READ, 8, list, 16, LAST_SEGMENT)).as("after the last").isEqualTo(0x00d);
        descriptor(list, 0, list, 16, SEGMENT);
        assertThat(sgl(READ, 8, list, 16, SEGMENT)).as("a circle").isEqualTo(0x00d);
        assertThat(sgl(READ, 8, 0x7777_0000_0000L, 16, LAST_SEGMENT)).isEqualTo(0x004);
        fixture.memory.fill(list, 3 * 4096, 0);
        assertThat(sgl(READ, 8, list, -16, LAST_SEGMENT)).as("endless").isIn(0x00e, 0x004);
        assertThat(sgl(READ, 8, data, 4096, DATA_BLOCK)).isZero();
    }

    private int sgl(int opcode, int blocks, long address, int length, int identifier) {
        return fixture.io
                .run(NvmeCommand.io(opcode, 1, 0, blocks).sgl(address, length, identifier))
                .code();
    }

    private void descriptor(long segment, int i, long address, int length, int identifier) {
        putLong(segment + 16L * i, address);
        putLong(segment + 16L * i + 8, NvmeCommand.sglRest(length, identifier));
    }

    private void putLong(long at, long value) {
        RawMemory.putLong(fixture.memory.host(at), value);
    }
}
