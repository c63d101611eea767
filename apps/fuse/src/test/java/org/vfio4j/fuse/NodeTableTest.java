package org.vfio4j.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** The numbers of paths: as long as the kernel knows them, and no longer. */
class NodeTableTest {

    private final Endless top = new Endless();
    private final NodeTable table = new NodeTable(top);

    /** A directory of directories, as long as it is there. */
    private static final class Endless implements FuseNode.Directory {
        private boolean gone;

        @Override
        public List<String> names() {
            return List.of("a");
        }

        @Override
        public Optional<FuseNode> find(String name) {
            return gone ? Optional.empty() : Optional.of(this);
        }
    }

    @Test
    void aNameHasOneNumberUntilItIsForgottenAsOftenAsItWasTold() {
        long id = table.lookedUp(NodeTable.ROOT_ID, "a");
        assertThat(table.lookedUp(NodeTable.ROOT_ID, "a")).isEqualTo(id);
        table.forget(id, 1);
        assertThat(table.node(id)).isSameAs(top);
        table.forget(id, 1);
        assertThat(table.size()).isZero();
        assertFails(Errno.ESTALE, id);
        assertThat(table.lookedUp(NodeTable.ROOT_ID, "a")).isNotEqualTo(id);
    }

    @Test
    void aDirectoryStaysForWhatIsInIt() {
        long outer = table.lookedUp(NodeTable.ROOT_ID, "a");
        long inner = table.lookedUp(outer, "b");
        table.forget(outer, 1);
        assertThat(table.node(inner)).isSameAs(top);
        table.forget(inner, 1);
        assertThat(table.size()).isZero();
    }

    @Test
    void whatIsGoneIsNotThereThoughItsNumberIsKnown() {
        long id = table.lookedUp(NodeTable.ROOT_ID, "a");
        top.gone = true;
        assertFails(Errno.ENOENT, id);
        top.gone = false;
        assertThat(table.node(id)).isSameAs(top);
    }

    @Test
    void forgettingTooMuchIsNobodysTrouble() {
        table.forget(77, 1);
        long id = table.lookedUp(NodeTable.ROOT_ID, "a");
        table.forget(id, Long.MAX_VALUE);
        assertThat(table.size()).isZero();
    }

    private void assertFails(int errno, long id) {
        assertThatThrownBy(() -> table.node(id))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(errno));
    }
}
