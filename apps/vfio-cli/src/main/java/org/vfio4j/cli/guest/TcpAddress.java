package org.vfio4j.cli.guest;

import java.net.InetSocketAddress;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.vfio4j.cli.text.CliException;

/** Where a hypervisor waits for guests: {@code tcp:HOST:PORT}, an IPv6 address in brackets. */
record TcpAddress(String host, int port) {

    private static final Pattern SYNTAX =
            Pattern.compile("tcp:(?:\\[([0-9a-fA-F:.%\\w]+)\\]|([^:\\[\\]]+)):(\\d{1,5})");
    private static final int MAX_PORT = 65535;

    /** @param what the option or parameter, for messages */
    static TcpAddress parse(String what, String text) {
        Matcher m = SYNTAX.matcher(text);
        if (!m.matches() || Integer.parseInt(m.group(3)) > MAX_PORT) {
            String option = what.startsWith("-") ? what + " " : "";
            throw CliException.usage(what + " " + text + ": expected tcp:HOST:PORT", option + "tcp:127.0.0.1:7000");
        }
        return new TcpAddress(m.group(1) == null ? m.group(2) : m.group(1), Integer.parseInt(m.group(3)));
    }

    InetSocketAddress resolved() {
        return new InetSocketAddress(host, port);
    }

    @Override
    public String toString() {
        return "tcp:" + (host.indexOf(':') < 0 ? host : "[" + host + "]") + ":" + port;
    }
}
