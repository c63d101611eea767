package org.vfio4j.i40evf;

import java.nio.ByteBuffer;
import java.util.Random;

/** Packets for the offload tests, and checks of them that are written without the device's own arithmetic. */
final class Packets {

    static final int MAC_BYTES = 14;
    static final int TCP = 6;
    static final int UDP = 17;
    static final int SCTP = 132;

    private Packets() {}

    /** Bytes of the header of an IP version, without options. */
    static int ipBytes(int version) {
        return version == 4 ? 20 : 40;
    }

    static int l4Bytes(int protocol) {
        return switch (protocol) {
            case TCP -> 20;
            case UDP -> 8;
            default -> 12;
        };
    }

    /** A packet whose checksum fields hold what a driver leaves there: nothing, and the sum of the pseudo-header. */
    static byte[] packet(byte[] to, byte[] from, int version, int protocol, int dataBytes, boolean withLength) {
        int ip = ipBytes(version);
        int l4 = l4Bytes(protocol);
        ByteBuffer packet = ByteBuffer.allocate(MAC_BYTES + ip + l4 + dataBytes);
        packet.put(to).put(from).putShort((short) (version == 4 ? 0x0800 : 0x86dd));
        if (version == 4) {
            packet.put((byte) 0x45).put((byte) 0).putShort((short) (withLength ? ip + l4 + dataBytes : 0));
            packet.putShort((short) 0xfffe)
                    .putShort((short) 0)
                    .put((byte) 64)
                    .put((byte) protocol)
                    .putShort((short) 0);
            packet.putInt(0x0a000001).putInt(0xfff00002);
        } else {
            packet.putInt(0x60000000).putShort((short) (withLength ? l4 + dataBytes : 0));
            packet.put((byte) protocol).put((byte) 64);
            packet.putLong(0xfe80_0000_0000_0000L)
                    .putLong(1)
                    .putLong(0xfe80_0000_0000_0000L)
                    .putLong(0xffff_0002L);
        }
        byte[] bytes = packet.array();
        Random random = new Random(dataBytes);
        byte[] data = new byte[l4 + dataBytes];
        random.nextBytes(data);
        System.arraycopy(data, 0, bytes, MAC_BYTES + ip, data.length);
        int seed = pseudoHeader(bytes, version, protocol, withLength ? l4 + dataBytes : 0);
        switch (protocol) {
            case TCP -> {
                // Data offset, and all flags.
                bytes[MAC_BYTES + ip + 12] = 0x50;
                bytes[MAC_BYTES + ip + 13] = (byte) 0x99;
                put16(bytes, MAC_BYTES + ip + 16, seed);
            }
            case UDP -> put16(bytes, MAC_BYTES + ip + 6, seed);
            default -> {}
        }
        return bytes;
    }

    /** Sum over the pseudo-header, folded. */
    static int pseudoHeader(byte[] packet, int version, int protocol, int l4Length) {
        long sum = protocol + l4Length;
        int from = MAC_BYTES + (version == 4 ? 12 : 8);
        for (int at = from; at < MAC_BYTES + ipBytes(version); at += 2) {
            sum += get16(packet, at);
        }
        return fold(sum);
    }

    /** What is left of the sum over IPv4's header: 0xffff when its checksum is right. */
    static int ipSum(byte[] packet) {
        return sum(packet, MAC_BYTES, MAC_BYTES + 20, 0);
    }

    /** What is left of the sum over pseudo-header and payload: 0xffff when the checksum is right. */
    static int l4Sum(byte[] packet, int version, int protocol) {
        int l4 = MAC_BYTES + ipBytes(version);
        return sum(packet, l4, packet.length, pseudoHeader(packet, version, protocol, packet.length - l4));
    }

    static int get16(byte[] bytes, int at) {
        return ((bytes[at] & 0xff) << 8) | (bytes[at + 1] & 0xff);
    }

    static void put16(byte[] bytes, int at, int value) {
        bytes[at] = (byte) (value >> 8);
        bytes[at + 1] = (byte) value;
    }

    private static int sum(byte[] bytes, int from, int to, long seed) {
        long sum = seed;
        for (int at = from; at < to; at += 2) {
            sum += ((bytes[at] & 0xff) << 8) | (at + 1 < to ? bytes[at + 1] & 0xff : 0);
        }
        return fold(sum);
    }

    private static int fold(long sum) {
        long folded = sum;
        while (folded >>> 16 != 0) {
            folded = (folded & 0xffff) + (folded >>> 16);
        }
        return (int) folded;
    }
}
