package org.vfio4j.fuse;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.vfio4j.sys.Errno.EBUSY;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.EINTR;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.testkit.Leaks;

/** A file system at a directory, as the kernel and ordinary programs see it. */
@Timeout(60)
class FuseMountTest {

    private static final int MANY = 5_000;

    @TempDir
    private Path temporary;

    private final Leaks before = Leaks.snapshot();
    private final Tree files = new Tree();
    private Optional<FuseMount> mount = Optional.empty();
    private Path top = Path.of("");

    @BeforeAll
    static void needFuse() {
        assumeTrue(Files.isWritable(Path.of("/dev/fuse")), "SKIPPED: no /dev/fuse that this user may open");
    }

    @BeforeEach
    void open() {
        top = temporary.resolve("top");
        mount = Optional.of(FuseMount.open(top, files, "test"));
    }

    @AfterEach
    void close() {
        files.release.countDown();
        mount.ifPresent(FuseMount::close);
        before.assertNone();
    }

    @Test
    void showsWhatThereIsAtTheMoment() throws IOException {
        assertThat(list(top)).contains("text", "wait", "link", "many");
        assertThat(top.resolve("text")).hasContent("one");
        files.text = "two, and longer than it was";
        assertThat(top.resolve("text")).hasContent(files.text);
        assertThat(Files.readSymbolicLink(top.resolve("link"))).isEqualTo(Path.of("many/7"));
        assertThat(top.resolve("link")).hasContent("7");
        assertThat(top.resolve("none")).doesNotExist();
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(top.resolve("text"))))
                .isEqualTo("rw-r--r--");
    }

    @Test
    void listsALargeDirectoryWholeAndRereadsIt() throws IOException {
        assertThat(list(top.resolve("many"))).hasSize(MANY).doesNotHaveDuplicates();
        try (Stream<Path> all = Files.list(top.resolve("many"))) {
            assertThat(all.map(Files::isRegularFile)).hasSize(MANY).doesNotContain(false);
        }
    }

    @Test
    void writesActAndTellTheirErrno() throws IOException {
        Files.writeString(top.resolve("text"), "three");
        assertThat(files.text).isEqualTo("three");
        assertThatThrownBy(() -> Files.writeString(top.resolve("text"), "busy"))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("Device or resource busy");
    }

    @Test
    void nothingIsMadeAndNothingDeleted() {
        assertThatThrownBy(() -> Files.createDirectory(top.resolve("new"))).isInstanceOf(FileSystemException.class);
        assertThatThrownBy(() -> Files.createFile(top.resolve("new"))).isInstanceOf(FileSystemException.class);
        assertThatThrownBy(() -> Files.delete(top.resolve("text"))).isInstanceOf(FileSystemException.class);
        assertThat(top.resolve("text")).exists();
    }

    @Test
    void whoWaitsKeepsNobodyElse() throws Exception {
        Process writer = shell("echo 1 > wait");
        assertThat(files.waiting.await(20, TimeUnit.SECONDS)).isTrue();
        assertThat(top.resolve("text")).hasContent("one");
        Files.writeString(top.resolve("text"), "meanwhile");
        assertThat(files.text).isEqualTo("meanwhile");
        files.release.countDown();
        assertThat(writer.waitFor()).isZero();
    }

    @Test
    void aSignalEndsAWait() throws Exception {
        Process writer = shell("echo 1 > wait");
        assertThat(files.waiting.await(20, TimeUnit.SECONDS)).isTrue();
        writer.destroy();
        assertThat(writer.waitFor()).isEqualTo(128 + 15);
        assertThat(files.interrupted.await(20, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void theEndWaitsForNobody() throws Exception {
        Process writer = shell("echo 1 > wait");
        Process reader = shell("exec < text; sleep 60");
        assertThat(files.waiting.await(20, TimeUnit.SECONDS)).isTrue();
        mount.ifPresent(FuseMount::close);
        mount = Optional.empty();
        assertThat(top).doesNotExist();
        assertThat(writer.waitFor()).isNotZero();
        reader.destroyForcibly().waitFor();
    }

    @Test
    void refusesADirectoryWithSomethingInIt() throws IOException {
        Path full = Files.createDirectories(temporary.resolve("full"));
        Files.createFile(full.resolve("file"));
        assertThatThrownBy(() -> FuseMount.open(full, files, "test"))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(EEXIST));
    }

    private Process shell(String line) throws IOException {
        return new ProcessBuilder("/bin/sh", "-c", line)
                .directory(top.toFile())
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    private static List<String> list(Path directory) throws IOException {
        try (Stream<Path> all = Files.list(directory)) {
            return all.map(path -> String.valueOf(path.getFileName())).toList();
        }
    }

    /** A file that can be written, one that waits, a link, and many files. */
    private static final class Tree implements FuseNode.Directory {

        private final CountDownLatch waiting = new CountDownLatch(1);
        private final CountDownLatch release = new CountDownLatch(1);
        private final CountDownLatch interrupted = new CountDownLatch(1);
        private volatile String text = "one";

        @Override
        public List<String> names() {
            return List.of("text", "wait", "link", "many");
        }

        @Override
        public Optional<FuseNode> find(String name) {
            return Optional.ofNullable(
                    switch (name) {
                        case "text" -> new Text(() -> text, this::store);
                        case "wait" -> new Text(() -> "", data -> await());
                        case "link" -> new FuseNode.Link("many/7");
                        case "many" -> new Many();
                        default -> null;
                    });
        }

        private void store(String data) {
            if (data.equals("busy")) {
                throw new ErrnoException(EBUSY, "store");
            }
            text = data;
        }

        private void await() {
            waiting.countDown();
            try {
                release.await();
            } catch (InterruptedException e) {
                interrupted.countDown();
                throw new ErrnoException(EINTR, "await");
            }
        }
    }

    private static final class Many implements FuseNode.Directory {
        @Override
        public List<String> names() {
            return IntStream.range(0, MANY).mapToObj(Integer::toString).toList();
        }

        @Override
        public Optional<FuseNode> find(String name) {
            return name.matches("[0-9]+") ? Optional.of(new Text(() -> name, data -> {})) : Optional.empty();
        }
    }

    private record Text(Supplier<String> show, Consumer<String> store) implements FuseNode.File, FuseNode.Handle {

        @Override
        public int mode() {
            return 0644;
        }

        @Override
        public long sizeBytes() {
            return 4096;
        }

        @Override
        public FuseNode.Handle open() {
            return this;
        }

        @Override
        public byte[] read(long offset, int length) {
            byte[] all = show.get().getBytes(StandardCharsets.UTF_8);
            int from = (int) Math.min(offset, all.length);
            return Arrays.copyOfRange(all, from, Math.min(from + length, all.length));
        }

        @Override
        public int write(long offset, byte[] data) {
            store.accept(new String(data, StandardCharsets.UTF_8));
            return data.length;
        }
    }
}
