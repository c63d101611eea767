package org.vfio4j.vfiopcifacts;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ENOENT;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.vfio4j.bus.PciBus;
import org.vfio4j.bus.PciFunction;
import org.vfio4j.sys.ErrnoException;

/**
 * What is known of PCI functions by their ids, as data: lines that come with vfio4j, and files of the operator's. Where several
 * lines fit a function, the later one decides, fact by fact. Immutable.
 */
public final class PciFactsTable {

    /** Without a line. */
    public static final PciFactsTable EMPTY = new PciFactsTable(List.of());

    private static final String SHIPPED = "shipped.facts";
    private static final String SUFFIX = ".facts";

    private final List<FactsLine> lines;

    private PciFactsTable(List<FactsLine> lines) {
        this.lines = lines;
    }

    /** The lines that come with vfio4j. */
    public static PciFactsTable shipped() {
        return Shipped.TABLE;
    }

    /** The table that a bus {@linkplain PciBus#provide provides}; the shipped one where it has none. */
    public static PciFactsTable of(PciBus bus) {
        return bus.findService(PciFactsTable.class).orElseGet(PciFactsTable::shipped);
    }

    /** Read once, when somebody asks. */
    private static final class Shipped {
        static final PciFactsTable TABLE = readShipped();
    }

    private static PciFactsTable readShipped() {
        try (InputStream in = Objects.requireNonNull(PciFactsTable.class.getResourceAsStream(SHIPPED), SHIPPED)) {
            return EMPTY.with(SHIPPED, in.readAllBytes());
        } catch (IOException e) {
            throw new ErrnoException(EIO, SHIPPED + ": " + e.getMessage());
        }
    }

    /**
     * This table with a file's lines behind its own, or those of each {@code *.facts} in a directory, by name.
     *
     * @throws ErrnoException EINVAL for text that is not a facts file, as {@code file:line: what, the limit}; ENOENT, EACCES or EIO
     *     for a file that cannot be read
     */
    public PciFactsTable with(Path path) {
        try {
            PciFactsTable table = this;
            for (Path file : files(path)) {
                table = table.with(file.toString(), read(file));
            }
            return table;
        } catch (NoSuchFileException e) {
            throw new ErrnoException(ENOENT, "facts file " + e.getFile());
        } catch (AccessDeniedException e) {
            throw new ErrnoException(EACCES, "facts file " + e.getFile());
        } catch (IOException e) {
            throw new ErrnoException(EIO, "facts file " + path + ": " + e.getMessage());
        }
    }

    /**
     * This table with the lines of {@code text} behind its own.
     *
     * @param source what errors call the text
     * @throws ErrnoException EINVAL as for {@link #with(Path)}
     */
    public PciFactsTable with(String source, byte[] text) {
        List<FactsLine> all = new ArrayList<>(lines);
        all.addAll(FactsFile.parse(source, text));
        return new PciFactsTable(List.copyOf(all));
    }

    /** What is known of a function. */
    public PciFacts of(PciFunction function) {
        Map<FactKey, Integer> values = new EnumMap<>(FactKey.class);
        for (FactsLine line : lines) {
            if (line.id().matches(function)) {
                values.putAll(line.values());
            }
        }
        return new PciFacts(
                values.getOrDefault(FactKey.IO_PAGE_FAULT_TOLERANT, 0) != 0,
                values.getOrDefault(FactKey.DENYLISTED, 0) != 0,
                values.getOrDefault(FactKey.BROKEN_INTX_MASKING, 0) != 0,
                values.getOrDefault(FactKey.PASID_OFFSET, 0),
                values.getOrDefault(FactKey.ATS_OFFSET, 0),
                values.getOrDefault(FactKey.PRI_OFFSET, 0));
    }

    /** How many lines it has. */
    public int size() {
        return lines.size();
    }

    private static List<Path> files(Path path) throws IOException {
        if (!Files.isDirectory(path)) {
            return List.of(path);
        }
        try (Stream<Path> entries = Files.list(path)) {
            return entries.filter(file -> file.toString().endsWith(SUFFIX))
                    .sorted()
                    .toList();
        }
    }

    private static byte[] read(Path file) throws IOException {
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            throw new ErrnoException(EINVAL, "facts file " + file + " is not a regular file");
        }
        try (InputStream in = Files.newInputStream(file)) {
            return in.readNBytes(FactsFile.MAX_BYTES + 1);
        }
    }
}
