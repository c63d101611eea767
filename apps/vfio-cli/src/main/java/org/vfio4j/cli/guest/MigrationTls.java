package org.vfio4j.cli.guest;

import static org.vfio4j.sys.Errno.EACCES;
import static org.vfio4j.sys.Errno.ECONNREFUSED;
import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ENOENT;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.userspace.vmm.MigrationChannel;
import org.vfio4j.userspace.vmm.PlainChannel;
import org.vfio4j.userspace.vmm.TlsChannel;

/**
 * How a migration's connection is made: in the clear, or under TLS with the JDK's keystores, where both sides show a certificate.
 *
 * @param keystore this side's key and certificate, empty for no TLS
 * @param truststore whom it trusts, empty for the JDK's own list
 * @param passwordFile whose first line opens both
 */
record MigrationTls(String keystore, String truststore, String passwordFile) {

    private static final long PATIENCE_NS = 10_000_000_000L;
    private static final int CONNECT_MS = 10_000;
    private static final String PROTOCOL = "TLSv1.3";

    boolean isWanted() {
        return !keystore.isEmpty();
    }

    /** @throws ErrnoException why there is no connection */
    MigrationChannel connect(TcpAddress address) {
        InetSocketAddress resolved = address.resolved();
        if (resolved.isUnresolved()) {
            throw new ErrnoException(ENOENT, "connect to " + address + ", whose name nobody knows");
        }
        try {
            SocketChannel channel = SocketChannel.open();
            try {
                channel.socket().connect(resolved, CONNECT_MS);
                return isWanted() ? secured(channel.socket(), address, true) : new PlainChannel(channel, PATIENCE_NS);
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
        } catch (SocketTimeoutException e) {
            throw new ErrnoException(ETIMEDOUT, "connect to " + address);
        } catch (ConnectException e) {
            throw new ErrnoException(ECONNREFUSED, "connect to " + address);
        } catch (IOException e) {
            throw ErrnoException.of(e, "connect to " + address);
        }
    }

    /** The same for a connection that has come. */
    MigrationChannel accept(SocketChannel channel, TcpAddress address) {
        try {
            return isWanted() ? secured(channel.socket(), address, false) : new PlainChannel(channel, PATIENCE_NS);
        } catch (IOException e) {
            throw ErrnoException.of(e, "TLS at " + address);
        }
    }

    private MigrationChannel secured(Socket socket, TcpAddress address, boolean asClient) throws IOException {
        SSLSocket secure =
                (SSLSocket) context().getSocketFactory().createSocket(socket, address.host(), address.port(), true);
        secure.setUseClientMode(asClient);
        if (asClient) {
            // The certificate is that host's.
            SSLParameters parameters = secure.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            secure.setSSLParameters(parameters);
        } else {
            secure.setNeedClientAuth(true);
        }
        return new TlsChannel(secure, PATIENCE_NS);
    }

    /**
     * Reads the stores.
     *
     * @throws ErrnoException EACCES for another password, EINVAL for what is no keystore, and why it cannot be read
     */
    SSLContext context() {
        try {
            char[] password = password();
            KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(store(keystore, password), password);
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(truststore.isEmpty() ? null : store(truststore, password));
            SSLContext context = SSLContext.getInstance(PROTOCOL);
            context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new ErrnoException(EINVAL, "TLS with " + keystore + ": " + e.getMessage());
        }
    }

    private char[] password() {
        if (passwordFile.isEmpty()) {
            return new char[0];
        }
        try {
            return Files.readString(Path.of(passwordFile))
                    .lines()
                    .findFirst()
                    .orElse("")
                    .toCharArray();
        } catch (IOException e) {
            throw ErrnoException.of(e, "read " + passwordFile);
        }
    }

    private static KeyStore store(String file, char[] password) throws GeneralSecurityException {
        try (InputStream in = Files.newInputStream(Path.of(file))) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(in, password);
            return store;
        } catch (IOException e) {
            if (e.getCause() instanceof GeneralSecurityException) {
                throw new ErrnoException(EACCES, "open keystore " + file + ", whose password is another");
            }
            throw ErrnoException.of(e, "read keystore " + file);
        }
    }
}
