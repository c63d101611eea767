package org.vfio4j.it;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * What runs in the guest of {@link HostJvm}: a JVM that takes a command in each line of its standard input, and marks its end with a
 * line {@code @@@N}, N being its exit code. One JVM for all, since starting one takes an emulated processor a quarter of a minute.
 *
 * <p>A line is the words of {@code vfio}'s command line, or {@code check} and the words of one of {@link HostChecks}.
 */
final class HostProgram {

    static final String END = "@@@";
    static final String CHECK = "check";

    private HostProgram() {}

    public static void main(String[] args) throws IOException {
        PrintWriter out = new PrintWriter(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.println(END + run(out, line.strip().split(" +")));
        }
    }

    /** A check that fails shows where; a command that throws would end its own process with 1. */
    private static int run(PrintWriter out, String[] words) {
        try {
            if (words[0].equals(CHECK)) {
                HostChecks.run(Arrays.copyOfRange(words, 1, words.length));
                return 0;
            }
            return vfio(out, words);
        } catch (Throwable e) {
            e.printStackTrace(out);
            return 1;
        }
    }

    /** As the program's own main method, which ends the JVM. */
    private static int vfio(PrintWriter out, String[] words) throws Throwable {
        Method run = Class.forName("org.vfio4j.cli.Main")
                .getDeclaredMethod("run", PrintWriter.class, PrintWriter.class, String[].class);
        run.setAccessible(true);
        try {
            return (int) run.invoke(null, out, out, words);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
