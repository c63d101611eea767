package org.vfio4j.cli;

import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * How tests start the program in processes of their own, some hundreds in all. They share an archive of loaded classes, which halves the
 * time to their first line; {@code ./vfio} does the same with its AOT cache.
 */
public final class TestJvm {

    private static final String JAVA =
            Path.of(System.getProperty("java.home"), "bin", "java").toString();
    private static final List<String> OPTIONS = List.of(
            "-XX:+UseSerialGC",
            "-Xmx256m",
            // That an option was not set for the JDK's own archive is called an error.
            "-Xlog:disable",
            "--enable-native-access=ALL-UNNAMED");

    private static final long PATIENCE_SECONDS = 120;
    private static final List<String> COMMAND = prepare();

    private TestJvm() {}

    /** A command that runs {@code main}, to which its arguments are appended. */
    public static List<String> command(Class<?> main) {
        List<String> command = new ArrayList<>(COMMAND);
        command.add(main.getName());
        return command;
    }

    private static List<String> prepare() {
        try {
            Path directory = Files.createTempDirectory("vfio4j-jvm");
            Runtime.getRuntime().addShutdownHook(new Thread(() -> delete(directory)));
            List<String> entries = new ArrayList<>();
            for (String entry : System.getProperty("java.class.path").split(":", -1)) {
                // An archive is of jars alone.
                boolean classes = Files.isDirectory(Path.of(entry));
                entries.add(classes ? jar(Path.of(entry), directory.resolve(entries.size() + ".jar")) : entry);
            }
            String classPath = String.join(":", entries);
            Path archive = directory.resolve("classes.jsa");
            train(directory, classPath, archive);
            return Stream.of(List.of(JAVA), OPTIONS, List.of("-XX:SharedArchiveFile=" + archive, "-cp", classPath))
                    .flatMap(List::stream)
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** Serves a disk for a moment. */
    private static void train(Path directory, String classPath, Path archive) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(JAVA));
        command.addAll(OPTIONS);
        command.addAll(List.of("-XX:ArchiveClassesAtExit=" + archive, "-cp", classPath, Main.class.getName()));
        command.addAll(List.of("serve", "virtio-blk", "memory=1M", "--run", "exit 0"));
        command.addAll(List.of("--socket-path", directory.resolve("s").toString()));
        Path log = directory.resolve("log");
        ProcessBuilder builder =
                new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
        builder.environment().put("XDG_RUNTIME_DIR", directory.toString());
        Process training = builder.start();
        boolean ended = training.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
        training.destroyForcibly();
        if (!ended || training.exitValue() != 0) {
            throw new AssertionError(command + ": " + Files.readString(log));
        }
    }

    private static String jar(Path classes, Path jar) throws IOException {
        try (OutputStream out = Files.newOutputStream(jar);
                ZipOutputStream zip = new ZipOutputStream(out);
                Stream<Path> files = Files.walk(classes)) {
            zip.setLevel(0);
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                zip.putNextEntry(new ZipEntry(classes.relativize(file).toString()));
                Files.copy(file, zip);
                zip.closeEntry();
            }
        }
        return jar.toString();
    }

    private static void delete(Path directory) {
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (IOException | UncheckedIOException e) {
            System.err.println("left behind: " + e.getMessage());
        }
    }
}
