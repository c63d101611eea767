package org.vfio4j.cli.text;

import java.io.PrintWriter;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** What commands that print data have in common: the option {@code -o}, and where they print. */
public final class OutputOption {

    @Spec(Spec.Target.MIXEE)
    @SuppressWarnings("NullAway.Init") // by picocli
    private CommandSpec command;

    @Option(
            names = {"-o", "--output"},
            description = "table or json (default table).")
    private Output.Format format = Output.Format.TABLE;

    public boolean isJson() {
        return format == Output.Format.JSON;
    }

    /** Standard output. */
    public PrintWriter out() {
        return command.commandLine().getOut();
    }

    /** Standard error. */
    public PrintWriter err() {
        return command.commandLine().getErr();
    }

    /** Prints {@code items} as JSON, or what {@code table} prints. */
    public void print(String kind, List<?> items, Runnable table) {
        if (isJson()) {
            out().println(Output.json(kind, items));
        } else {
            table.run();
        }
        out().flush();
    }
}
