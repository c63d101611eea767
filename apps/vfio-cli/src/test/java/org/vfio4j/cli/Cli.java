package org.vfio4j.cli;

import java.io.PrintWriter;
import java.io.StringWriter;

/** One run of the command line in this process. */
public record Cli(int exitCode, String out, String err) {

    public static Cli run(String... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int code = Main.run(new PrintWriter(out), new PrintWriter(err), args);
        return new Cli(code, out.toString(), err.toString());
    }

    /** The lines of standard error. */
    public String[] errorLines() {
        return err.split("\n");
    }
}
