package org.vfio4j.userspace.vmm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
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

    /** Its alert may be lost in the reset. */
    @Test
    void aConnectionThatIsResetBeforeAWordMayBeADistrustfulOnes() throws Exception {
        try (TlsChannel channel = reset(0)) {
            assertThatThrownBy(() -> channel.read(Arena.ofAuto().allocate(1)))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EACCES))
                    .hasMessageContaining("may not trust this one");
        }
    }

    @Test
    void oneThatIsResetLaterIsLost() throws Exception {
        try (TlsChannel channel = reset(1)) {
            assertThatThrownBy(() -> channel.read(Arena.ofAuto().allocate(1)))
                    .isInstanceOfSatisfying(
                            ErrnoException.class, e -> assertThat(e.errno()).isEqualTo(Errno.ECONNRESET));
        }
    }

    /** The source's channel to a destination that trusts it, says some bytes, which are read here, and is gone without an alert. */
    private TlsChannel reset(int bytes) throws Exception {
        SSLContext context = context(keystore("both"), keystore("both"));
        CompletableFuture<Void> read = new CompletableFuture<>();
        try (ServerSocket listening = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            CompletableFuture<Void> gone = CompletableFuture.runAsync(() -> {
                try (Socket accepted = listening.accept()) {
                    SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(accepted, null, true);
                    socket.setNeedClientAuth(true);
                    socket.startHandshake();
                    socket.getOutputStream().write(new byte[bytes]);
                    read.join();
                    // Below TLS, which would say good-bye.
                    accepted.setSoLinger(true, 0);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
            SSLSocket socket = (SSLSocket)
                    context.getSocketFactory().createSocket(listening.getInetAddress(), listening.getLocalPort());
            TlsChannel channel = new TlsChannel(socket, Link.PATIENCE_NS);
            for (int i = 0; i < bytes; i++) {
                assertThat(channel.read(Arena.ofAuto().allocate(1))).isEqualTo(1);
            }
            read.complete(null);
            gone.get(10, TimeUnit.SECONDS);
            return channel;
        }
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
