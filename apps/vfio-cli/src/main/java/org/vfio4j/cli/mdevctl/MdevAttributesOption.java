package org.vfio4j.cli.mdevctl;

import java.util.List;
import org.vfio4j.cli.mdev.MdevDefinition;
import org.vfio4j.cli.text.CliException;
import picocli.CommandLine.Option;

/** Attributes that a command sets, in their order. */
final class MdevAttributesOption {

    @Option(
            names = "--attr",
            paramLabel = "NAME=VALUE",
            description = "Set this attribute, after those before it (repeat for more).")
    private List<String> words = List.of();

    boolean isEmpty() {
        return words.isEmpty();
    }

    List<MdevDefinition.Attribute> attributes() {
        return words.stream().map(MdevAttributesOption::parse).toList();
    }

    private static MdevDefinition.Attribute parse(String word) {
        int equals = word.indexOf('=');
        if (equals <= 0) {
            throw CliException.usage("--attr " + word + ": NAME=VALUE is needed", "--attr port0/peer=loopback");
        }
        return new MdevDefinition.Attribute(word.substring(0, equals), word.substring(equals + 1));
    }
}
