package org.vfio4j.it;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.ErrnoException;

/**
 * What {@link HostProgram} is asked to try with a function of its machine: the function's address, what it is, and the name of the
 * check, with further words for some. Whatever a check opens and maps it gives back, which is seen after each.
 */
final class HostChecks {

    private HostChecks() {}

    static void run(String... words) {
        PciAddress address = PciAddress.parse(words[0]);
        Map<String, Long> before = held();
        switch (words[1]) {
            case "edu" -> EduChecks.run(address, words[2]);
            case "edu-dma" -> EduDmaChecks.run(address, words[2]);
            case "nvme" -> NvmeChecks.run(address, List.of(words).subList(2, words.length));
            case "igb" -> IgbChecks.run(address, words[2]);
            case "igbvf" -> IgbVfChecks.run(address, words[2]);
            case "served" -> ServedChecks.run(address, List.of(words).subList(2, words.length));
            default -> throw new IllegalArgumentException(words[1]);
        }
        expectEqual("what this process holds", before, held());
    }

    static void expect(String what, boolean holds) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }

    static void expectEqual(String what, Object expected, Object actual) {
        expect(what + ": " + actual + " instead of " + expected, Objects.equals(expected, actual));
    }

    static void expectEqual(String what, int expected, int actual) {
        expect(
                what + ": 0x" + Integer.toHexString(actual) + " instead of 0x" + Integer.toHexString(expected),
                expected == actual);
    }

    static void expectRefused(int errno, String message, Runnable call) {
        try {
            call.run();
        } catch (ErrnoException e) {
            expectEqual(e.getMessage(), errno, e.errno());
            expect(e.getMessage(), e.getMessage().contains(message));
            return;
        }
        throw new AssertionError("not refused, where errno " + errno + " was expected");
    }

    /** How many descriptors of each kind, mappings of devices and pinned KiB this process has. */
    private static Map<String, Long> held() {
        Map<String, Long> counts = new TreeMap<>();
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            descriptors.map(HostChecks::target).forEach(target -> counts.merge(target, 1L, Long::sum));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        // Those of the JVM come when they come.
        counts.keySet().removeIf(target -> target.matches("/proc/.*|/dev/u?random|.*\\.jar"));
        counts.put(
                "mappings",
                lines("/proc/self/maps")
                        .filter(line -> line.matches(".*(vfio|memfd).*"))
                        .count());
        lines("/proc/self/status")
                .filter(line -> line.startsWith("VmLck:"))
                .forEach(line -> counts.put("pinned", Long.parseLong(line.replaceAll("\\D", ""))));
        return counts;
    }

    private static String target(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString();
        } catch (IOException e) {
            return "/proc/"; // that of the listing itself
        }
    }

    private static Stream<String> lines(String file) {
        try {
            return Files.readAllLines(Path.of(file)).stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
