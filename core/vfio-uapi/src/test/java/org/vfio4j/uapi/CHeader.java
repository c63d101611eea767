package org.vfio4j.uapi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/** A header of this machine's C compiler: what its expressions are worth is asked by compiling a program that prints them. */
final class CHeader {

    private static final Path INCLUDE = Path.of("/usr/include");

    private final String name;
    private final String text;

    private CHeader(String name, String text) {
        this.name = name;
        this.text = text;
    }

    /** The header, or an aborted test that says what is missing. */
    static CHeader find(String name) throws IOException {
        Path file = INCLUDE.resolve(name);
        assumeTrue(Files.isReadable(file), "NOT COMPARED: no " + file + " (Debian: linux-libc-dev)");
        assumeTrue(isCompilerThere(), "NOT COMPARED: no gcc on the PATH");
        return new CHeader(name, Files.readString(file));
    }

    boolean defines(String symbol) {
        return Pattern.compile("(#define\\s+|^\\s+)" + symbol + "\\b", Pattern.MULTILINE)
                .matcher(text)
                .find();
    }

    /** The low 32 bits of each expression, by its name. */
    Map<String, Integer> evaluate(Map<String, String> expressions, Path directory)
            throws IOException, InterruptedException {
        StringBuilder program = new StringBuilder("#include <stddef.h>\n#include <stdio.h>\n")
                .append("#include <")
                .append(name)
                .append(">\nint main(void) {\n");
        expressions.forEach((label, expression) -> program.append("    printf(\"%s %u\\n\", \"")
                .append(label)
                .append("\", (unsigned)(")
                .append(expression)
                .append("));\n"));
        Path source = Files.writeString(
                directory.resolve("print.c"), program.append("}\n").toString());
        Path binary = directory.resolve("print");
        run(List.of("gcc", "-w", "-o", binary.toString(), source.toString()));
        Map<String, Integer> values = new TreeMap<>();
        for (String line : run(List.of(binary.toString()))) {
            String[] words = line.split(" ");
            values.put(words[0], Integer.parseUnsignedInt(words[1]));
        }
        return values;
    }

    /** Every int constant of a class. */
    static Map<String, Integer> constants(Class<?> holder) throws IllegalAccessException {
        Map<String, Integer> constants = new LinkedHashMap<>();
        for (var field : holder.getDeclaredFields()) {
            if (field.getType() == int.class) {
                constants.put(field.getName(), field.getInt(null));
            }
        }
        return constants;
    }

    private static boolean isCompilerThere() {
        try {
            run(List.of("gcc", "--version"));
            return true;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static List<String> run(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        List<String> lines = new ArrayList<>(process.inputReader().lines().toList());
        assertThat(process.waitFor()).as("%s: %s", command, lines).isZero();
        return lines;
    }
}
