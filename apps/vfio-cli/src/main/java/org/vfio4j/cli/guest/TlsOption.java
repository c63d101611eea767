package org.vfio4j.cli.guest;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.text.CliException;
import picocli.CommandLine.Option;

/** The options for TLS that both sides of a migration have. */
final class TlsOption {

    @Option(
            names = "--tls-keystore",
            paramLabel = "FILE",
            description = "Use TLS, with the key and the certificate of this PKCS #12 keystore.")
    private @Nullable Path keystore;

    @Option(
            names = "--tls-truststore",
            paramLabel = "FILE",
            description = "Whose certificates are trusted (default the JDK's list).")
    private @Nullable Path truststore;

    @Option(names = "--tls-password-file", paramLabel = "FILE", description = "A line that opens both stores.")
    private @Nullable Path passwordFile;

    /** What was chosen, readable. */
    MigrationTls tls() {
        if (keystore == null && (truststore != null || passwordFile != null)) {
            throw CliException.usage("TLS without a key of this side", "--tls-keystore FILE");
        }
        MigrationTls tls = new MigrationTls(text(keystore), text(truststore), text(passwordFile));
        if (tls.isWanted()) {
            // What is wrong with the stores is said here, and not where they are used.
            tls.context();
        }
        return tls;
    }

    private static String text(@Nullable Path file) {
        return Optional.ofNullable(file)
                .map(path -> path.toAbsolutePath().toString())
                .orElse("");
    }
}
