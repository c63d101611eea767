package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/** The descriptors of this process that code under test may have left: sockets, anonymous inodes, memory files. */
final class OpenFds {

    private final Map<String, String> before = now();

    /** Since it was made, none was left open. */
    void assertNoneLeft() {
        assertThat(now()).isEqualTo(before);
    }

    private static Map<String, String> now() {
        Map<String, String> open = new TreeMap<>();
        try (var links = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path link : links) {
                String target = target(link);
                if (target.startsWith("socket:") || target.startsWith("anon_inode:") || target.startsWith("/memfd:")) {
                    open.put(link.getFileName().toString(), target);
                }
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return open;
    }

    private static String target(Path link) {
        try {
            return Files.readSymbolicLink(link).toString();
        } catch (IOException e) {
            return "gone";
        }
    }
}
