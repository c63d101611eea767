package org.vfio4j.userspace.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** Under TLS, with certificates that both sides show. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class TlsMigrationTest {

    private static final char[] PASSWORD = "changeit".toCharArray();

    @TempDir
    Path directory;

    @Test
    void movesWhereBothTrustEachOther() throws Exception {
        SSLContext context = context(keystore("both"), keystore("both"));
        try (MemoryBackend storage = new MemoryBackend(4 << 20);
                Host first = new Host(storage);
                Host second = new Host(storage)) {
            VirtualMachine machine = first.boot(DiskGuestOptions.RANDOM_WRITES.withReadPercent(50));
            try (Link link = link(context, context)) {
                Arrival arrival = new Arrival(second, link.destination());
                new MigrationSource(machine, link.source(), MigrationOptions.DEFAULTS, p -> {}).run();
                machine.device().close();
                machine.memory().close();
                VirtualMachine there = arrival.machine();
                assertThat(((DiskGuest) there.guest()).finish()).isPositive();
                there.device().close();
                there.memory().close();
            }
        }
    }

    @Test
    void aStrangerIsRefused() throws Exception {
        SSLContext here = context(keystore("here"), keystore("here"));
        SSLContext stranger = context(keystore("stranger"), keystore("stranger"));
        assertThatThrownBy(() -> link(stranger, here))
                .isInstanceOfSatisfying(
                        ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EACCES));
    }

    private static Link link(SSLContext source, SSLContext destination) throws Exception {
        try (SSLServerSocket listening = (SSLServerSocket)
                destination.getServerSocketFactory().createServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            listening.setNeedClientAuth(true);
            CompletableFuture<MigrationChannel> accepted = CompletableFuture.supplyAsync(() -> {
                try {
                    return new TlsChannel((SSLSocket) listening.accept(), Link.PATIENCE_NS);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
            SSLSocket socket = (SSLSocket)
                    source.getSocketFactory().createSocket(listening.getInetAddress(), listening.getLocalPort());
            return new Link(new TlsChannel(socket, Link.PATIENCE_NS), accepted.get(10, TimeUnit.SECONDS));
        }
    }

    private KeyStore keystore(String name) throws Exception {
        Path file = directory.resolve(name + ".p12");
        if (!Files.exists(file)) {
            Process keytool = new ProcessBuilder(List.of(
                            Path.of(System.getProperty("java.home"), "bin", "keytool")
                                    .toString(),
                            "-genkeypair",
                            "-alias",
                            name,
                            "-keyalg",
                            "EC",
                            "-dname",
                            "CN=" + name,
                            "-ext",
                            "san=dns:localhost,ip:127.0.0.1",
                            "-storetype",
                            "PKCS12",
                            "-keystore",
                            file.toString(),
                            "-storepass",
                            new String(PASSWORD)))
                    .inheritIO()
                    .start();
            assertThat(keytool.waitFor()).isZero();
        }
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(file)) {
            store.load(in, PASSWORD);
        }
        return store;
    }

    private static SSLContext context(KeyStore keys, KeyStore trusted) throws Exception {
        KeyManagerFactory keyManagers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keyManagers.init(keys, PASSWORD);
        // A certificate that is its own issuer is trusted as such.
        KeyStore anchors = KeyStore.getInstance("PKCS12");
        anchors.load(null, null);
        String alias = trusted.aliases().nextElement();
        anchors.setCertificateEntry(alias, trusted.getCertificate(alias));
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(anchors);
        SSLContext context = SSLContext.getInstance("TLSv1.3");
        context.init(keyManagers.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }
}
