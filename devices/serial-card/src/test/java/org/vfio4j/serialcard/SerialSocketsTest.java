package org.vfio4j.serialcard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.vfio4j.serialcard.UartRegs.*;
import static org.vfio4j.sys.Errno.EADDRINUSE;
import static org.vfio4j.sys.Errno.EEXIST;
import static org.vfio4j.sys.Errno.ENOENT;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.sys.ErrnoException;

/** A port's socket with somebody at it, with nobody, and with one too many. */
@Timeout(60)
final class SerialSocketsTest {

    private static final int LARGE = 200_000;

    @TempDir
    private Path dir;

    private final SerialSockets sockets = new SerialSockets();
    private final SerialCard card = new SerialCard(1);
    private Path path;

    @BeforeEach
    void listen() {
        path = dir.resolve("port");
        card.plug(0, sockets.listen(path));
        write(UART_IIR, UART_FCR_ENABLE_FIFO);
    }

    @AfterEach
    void close() {
        card.close();
        sockets.close();
        assertThat(path).doesNotExist();
    }

    @Test
    void charactersGoBothWays() throws IOException {
        try (SocketChannel user = connect()) {
            awaitCarrier(true);
            user.write(ByteBuffer.wrap("login".getBytes(StandardCharsets.US_ASCII)));
            StringBuilder text = new StringBuilder();
            await(() -> {
                while ((read(UART_LSR) & UART_LSR_DR) != 0) {
                    text.append((char) read(UART_RX));
                }
                return text.length() == 5;
            });
            assertThat(text).hasToString("login");
            for (char c : "password".toCharArray()) {
                write(UART_RX, c);
            }
            ByteBuffer answer = ByteBuffer.allocate(8);
            while (answer.hasRemaining()) {
                user.read(answer);
            }
            assertThat(new String(answer.array(), StandardCharsets.US_ASCII)).isEqualTo("password");
        }
    }

    @Test
    void theCarrierIsThereWhileSomebodyIs() throws IOException {
        assertThat(read(UART_MSR) & UART_MSR_LINES).isEqualTo(UART_MSR_CTS);
        try (SocketChannel user = connect()) {
            awaitCarrier(true);
            assertThat(user.isOpen()).isTrue();
        }
        awaitCarrier(false);
        try (SocketChannel again = connect()) {
            awaitCarrier(true);
            assertThat(again.isOpen()).isTrue();
        }
    }

    @Test
    void aSecondUserIsHungUpOn() throws IOException {
        try (SocketChannel user = connect()) {
            awaitCarrier(true);
            try (SocketChannel second = connect()) {
                assertThat(second.read(ByteBuffer.allocate(1))).isEqualTo(-1);
            }
            write(UART_RX, 'x');
            assertThat(user.read(ByteBuffer.allocate(1))).isEqualTo(1);
        }
    }

    @Test
    void whatIsSentToNobodyIsLost() throws IOException {
        for (int i = 0; i < 10_000; i++) {
            write(UART_RX, i);
        }
        assertThat(read(UART_LSR) & UART_LSR_THRE).isNotZero();
        try (SocketChannel user = connect()) {
            awaitCarrier(true);
            write(UART_RX, 'n');
            ByteBuffer one = ByteBuffer.allocate(1);
            user.read(one);
            assertThat(one.get(0)).isEqualTo((byte) 'n');
        }
    }

    @Test
    void aUserWhoDoesNotReadKeepsTheTransmitterWaiting() throws IOException {
        try (SocketChannel user = connect()) {
            awaitCarrier(true);
            int written = 0;
            while ((read(UART_LSR) & UART_LSR_THRE) != 0 && written < 10_000_000) {
                write(UART_RX, written++);
            }
            assertThat(written).isLessThan(10_000_000);
            // The last one waits in the transmitter.
            ByteBuffer all = ByteBuffer.allocate(written);
            while (all.hasRemaining()) {
                user.read(all);
            }
            for (int i = 0; i < written; i++) {
                assertThat(all.get(i)).isEqualTo((byte) i);
            }
            await(() -> (read(UART_LSR) & UART_LSR_THRE) != 0);
        }
    }

    @Test
    void whatThePortHasNoRoomForWaitsAndNothingIsLost() throws Exception {
        Thread sender = Thread.ofPlatform().start(() -> {
            try (SocketChannel user = connect()) {
                ByteBuffer data = ByteBuffer.allocate(LARGE);
                for (int i = 0; i < LARGE; i++) {
                    data.put(i, (byte) (i * 7));
                }
                while (data.hasRemaining()) {
                    user.write(data);
                }
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
        for (int i = 0; i < LARGE; ) {
            int status = read(UART_LSR);
            assertThat(status & UART_LSR_OE).isZero();
            if ((status & UART_LSR_DR) != 0) {
                assertThat(read(UART_RX)).isEqualTo((i * 7) & 0xff);
                i++;
            }
        }
        sender.join();
        // He hung up while the port was full for a long time; that is noticed all the same.
        awaitCarrier(false);
    }

    @Test
    void aUserWhoGoesWhileThePortIsFullCostsNoTime() throws Exception {
        try (SocketChannel user = connect()) {
            awaitCarrier(true);
            user.write(ByteBuffer.allocate(100));
            await(() -> card.state().save()[SerialCardState.HEADER_BYTES + 10] == 16);
        }
        long before = loopTicks();
        Thread.sleep(300);
        assertThat(loopTicks() - before).isLessThan(10);
    }

    @Test
    void refusesPathsAsASocketDoes() throws IOException {
        refuses(EADDRINUSE, path);
        refuses(EEXIST, Files.createFile(dir.resolve("file")));
        refuses(ENOENT, dir.resolve("none/port"));
    }

    @Test
    void anotherPeerHangsUpOnTheUser() throws IOException {
        try (SocketChannel user = connect()) {
            awaitCarrier(true);
            card.plug(0, new LoopbackPlug());
            assertThat(user.read(ByteBuffer.allocate(1))).isEqualTo(-1);
            assertThat(path).doesNotExist();
        }
    }

    /** Clock ticks that the loop's thread has run: utime and stime of its stat. */
    private static long loopTicks() throws IOException {
        try (DirectoryStream<Path> threads = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            for (Path thread : threads) {
                String stat = Files.readString(thread.resolve("stat"));
                if (stat.contains("(serial-sockets)")) {
                    String[] fields = stat.substring(stat.indexOf(')') + 2).split(" ");
                    return Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
                }
            }
        }
        throw new AssertionError("no thread of the sockets");
    }

    private void refuses(int errno, Path taken) {
        assertThat(assertThrows(ErrnoException.class, () -> sockets.listen(taken))
                        .errno())
                .isEqualTo(errno);
    }

    private void awaitCarrier(boolean there) {
        await(() -> ((read(UART_MSR) & UART_MSR_DCD) != 0) == there);
    }

    private static void await(BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            Thread.onSpinWait();
        }
    }

    private SocketChannel connect() throws IOException {
        SocketChannel user = SocketChannel.open(StandardProtocolFamily.UNIX);
        user.connect(UnixDomainSocketAddress.of(path));
        return user;
    }

    private void write(int register, int value) {
        card.function().barWrite(0, register, 1, value & 0xff);
    }

    private int read(int register) {
        return (int) card.function().barRead(0, register, 1);
    }
}
