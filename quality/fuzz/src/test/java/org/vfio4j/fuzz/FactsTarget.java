package org.vfio4j.fuzz;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.List;
import java.util.stream.Stream;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfiopcifacts.PciFactsTable;

/** The text of an operator's file of facts. */
final class FactsTarget implements FuzzTarget {

    @Override
    public List<byte[]> corpus() {
        return Stream.of(
                        "",
                        "# nothing\n\n",
                        "8086:37c8 denylisted=no # ours\n",
                        "15b3:101e ioPageFaultTolerant=yes pasidOffset=0x300 atsOffset=0x308 priOffset=0x310\n",
                        "*:*:1af4:*:020000/ff0000\tbrokenIntxMasking=yes\r\n",
                        "8086:37c8 denylisted=maybe\n",
                        "8086 denylisted=yes\n",
                        "8086:37c8 pasidOffset=0x100 pasidOffset=none\n")
                .map(text -> text.getBytes(UTF_8))
                .toList();
    }

    /** {@inheritDoc} Why and where a text is refused is an outcome of its own. */
    @Override
    public long run(byte[] input) {
        try {
            return PciFactsTable.EMPTY.with("fuzz", input).size();
        } catch (ErrnoException e) {
            String message = e.getMessage();
            if (message == null || !message.matches("(?s)fuzz:\\d+: .+")) {
                throw new AssertionError("refused without the line: " + message, e);
            }
            return message.replaceAll("[^a-z]", "").hashCode();
        }
    }

    @Override
    public void checkWorks() {
        if (PciFactsTable.shipped().size() == 0) {
            throw new AssertionError("no facts are shipped");
        }
    }

    @Override
    public void close() {}
}
