package org.vfio4j.cli;

import java.util.List;
import java.util.stream.Collectors;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** What is wrong with a command's words, in the words of people rather than of the parser. Stateless. */
final class Misuse {

    private Misuse() {}

    static String describe(ParameterException e) {
        if (e instanceof UnmatchedArgumentException unmatched && !unmatched.isUnknownOption()) {
            List<String> words = unmatched.getUnmatched();
            return (words.size() == 1 ? "unexpected argument: " : "unexpected arguments: ")
                    + words.stream().map(word -> "'" + word + "'").collect(Collectors.joining(", "));
        }
        return String.valueOf(e.getMessage())
                .replaceFirst("is not an? (int|long)$", "is no whole number, or too large a one")
                .replaceFirst("is not an? (float|double)$", "is no number")
                .replaceFirst("for positional parameter at index \\d+ \\((.*?)\\)", "for $1");
    }
}
