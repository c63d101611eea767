package org.vfio4j.it;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Random;

/** Disk images on the host: made, filled and compared as plain files. */
final class Images {

    static final int MIB = 1 << 20;
    private static final int STAT_BLOCK_BYTES = 512;

    private Images() {}

    /** Bytes that depend on {@code seed} alone, none of them a hole. */
    static byte[] pattern(long seed, int sizeBytes) {
        byte[] bytes = new byte[sizeBytes];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    /** A sparse image. */
    static Path create(Path image, long sizeBytes) {
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(sizeBytes);
            return image;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void write(Path image, long offset, byte[] bytes) {
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.seek(offset);
            file.write(bytes);
            file.getFD().sync();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static byte[] read(Path image, long offset, int sizeBytes) {
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "r")) {
            byte[] bytes = new byte[sizeBytes];
            file.seek(offset);
            file.readFully(bytes);
            return bytes;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What the file takes on its file system, holes not counted. */
    static long allocatedBytes(Path image) {
        try {
            Process stat = new ProcessBuilder("stat", "-c", "%b", image.toString()).start();
            String blocks = new String(stat.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            return Long.parseLong(blocks.strip()) * STAT_BLOCK_BYTES;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** As sha256sum prints it. */
    static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
