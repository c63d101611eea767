package org.vfio4j.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.io.PrintStream;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The programs in docs/users/java.md: they compile, and do together what the page says. */
class JavaDocumentTest {

    private static final Pattern PROGRAM = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL);
    private static final Pattern CLASS_NAME = Pattern.compile("public final class (\\w+)");
    private static final Duration LIMIT = Duration.ofSeconds(30);

    @TempDir
    private Path dir;

    @Test
    void oneProgramServesTheDiskThatTheOtherUses() throws Exception {
        compile(programs());
        Path socket = dir.resolve("disk.sock");
        InputStream in = System.in;
        PrintStream out = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        try (URLClassLoader loader = new URLClassLoader(new URL[] {dir.toUri().toURL()});
                PipedOutputStream input = new PipedOutputStream();
                PipedInputStream endsWhenClosed = new PipedInputStream(input)) {
            System.setIn(endsWhenClosed);
            System.setOut(new PrintStream(printed, true));
            CompletableFuture<Void> server = CompletableFuture.runAsync(() -> run(loader, "ServeDisk", socket));
            awaitSocket(socket, server);
            run(loader, "UseDisk", socket);
            input.close();
            server.get(LIMIT.toSeconds(), TimeUnit.SECONDS);
        } finally {
            System.setIn(in);
            System.setOut(out);
        }
        assertThat(printed).hasToString("MINE, 67108864 bytes, reads back true\n");
    }

    private static List<JavaFileObject> programs() {
        Matcher blocks = PROGRAM.matcher(SourceTree.read(SourceTree.root().resolve("docs/users/java.md")));
        List<JavaFileObject> programs = new ArrayList<>();
        while (blocks.find()) {
            String text = blocks.group(1);
            Matcher name = CLASS_NAME.matcher(text);
            assertThat(name.find()).as("a public final class in %s", text).isTrue();
            programs.add(source(name.group(1), text));
        }
        return programs;
    }

    private static JavaFileObject source(String className, String text) {
        URI uri = URI.create("string:///" + className + JavaFileObject.Kind.SOURCE.extension);
        return new SimpleJavaFileObject(uri, JavaFileObject.Kind.SOURCE) {
            @Override
            public CharSequence getCharContent(boolean ignoreEncodingErrors) {
                return text;
            }
        };
    }

    private void compile(List<JavaFileObject> programs) {
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        List<String> options = List.of("-d", dir.toString(), "-classpath", System.getProperty("java.class.path"));
        assertThat(compiler.getTask(null, null, null, options, null, programs).call())
                .as("whether the programs in docs/users/java.md compile")
                .isTrue();
    }

    private static void run(ClassLoader loader, String program, Path socket) {
        try {
            loader.loadClass(program).getMethod("main", String[].class).invoke(null, (Object)
                    new String[] {socket.toString()});
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(program + " failed", e);
        }
    }

    private static void awaitSocket(Path socket, CompletableFuture<Void> server)
            throws IOException, InterruptedException {
        long end = System.nanoTime() + LIMIT.toNanos();
        while (!Files.exists(socket)) {
            assertThat(server).as("ServeDisk").isNotDone();
            assertThat(System.nanoTime())
                    .as("time at which %s is missing", socket)
                    .isLessThan(end);
            Thread.sleep(10);
        }
    }
}
