package org.vfio4j.cli.config;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.vfio4j.cli.device.DeviceKinds;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;
import org.vfio4j.sys.ErrnoException;

/**
 * A file that describes a machine.
 *
 * @param name as messages have it
 * @param text what is in it
 */
public record MachineFile(String name, String text) {

    /** What stands before the name of a machine that comes with this program. */
    public static final String SHIPPED = "shipped:";

    public static final List<String> NAMES = List.of("bluefield");

    /**
     * Reads one.
     *
     * @param where a path, or {@code shipped:} and a name
     * @throws CliException when there is none
     */
    public static MachineFile read(String where) {
        return where.startsWith(SHIPPED) ? shipped(where) : new MachineFile(where, text(Path.of(where)));
    }

    /** The machine that it describes. */
    MachineConfig machine() {
        return machine(new DeviceKinds());
    }

    /** The same with these kinds of devices. */
    public MachineConfig machine(DeviceKinds kinds) {
        return new MachineReader(kinds).read(name, text);
    }

    private static String text(Path path) {
        try {
            return Files.readString(path);
        } catch (MalformedInputException e) {
            throw new CliException(ExitCode.FAILED, path + " is no text in UTF-8", "file " + path);
        } catch (IOException e) {
            throw new CliException(
                    ErrnoException.of(e, "read " + path), SHIPPED + NAMES.getFirst() + ", or: ls -l " + path);
        }
    }

    private static MachineFile shipped(String where) {
        String name = where.substring(SHIPPED.length());
        if (!NAMES.contains(name)) {
            throw CliException.usage(
                    "no machine '" + name + "' comes with vfio4j: there is " + String.join(", ", NAMES),
                    SHIPPED + NAMES.getFirst());
        }
        try (InputStream in = MachineFile.class.getResourceAsStream(name + ".yaml")) {
            if (in == null) {
                throw new IllegalStateException("resource " + name + ".yaml");
            }
            return new MachineFile(where, new String(in.readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
