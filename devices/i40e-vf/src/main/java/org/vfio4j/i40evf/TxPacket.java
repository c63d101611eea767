package org.vfio4j.i40evf;

import static org.vfio4j.i40evf.TxDescriptor.*;

import java.util.zip.CRC32C;

/**
 * A packet that a driver wants sent, as its descriptors and buffers say, and what is made of it: checksums (X710 datasheet,
 * 8.4.4.1) and, for TCP, segments (8.4.4.2). Belongs to the queue thread; used again for each packet; allocates nothing.
 *
 * <p>The driver has put the sum of the pseudo-header into the checksum field, without the length if the packet is to be cut.
 */
final class TxPacket {

    /** The longest frame, without its checksum. */
    static final int MAX_FRAME_BYTES = 9728;

    /** The largest TCP packet that is cut into segments: IP's 64 KiB, and room for the headers. */
    static final int MAX_BYTES = (1 << 16) + 512;

    /** Addresses and type. */
    static final int MIN_FRAME_BYTES = 14;

    private static final int MIN_MSS = 64;
    private static final int IPV4_HEADER = 20;
    private static final int IPV4_TOTAL_LENGTH = 2;
    private static final int IPV4_ID = 4;
    private static final int IPV4_CHECKSUM = 10;
    private static final int IPV6_HEADER = 40;
    private static final int IPV6_PAYLOAD_LENGTH = 4;
    private static final int TCP_HEADER = 20;
    private static final int TCP_SEQUENCE = 4;
    private static final int TCP_FLAGS = 13;
    private static final int TCP_CHECKSUM = 16;
    private static final int TCP_FIN_PSH = 0x09;
    private static final int TCP_CWR = 0x80;
    private static final int UDP_HEADER = 8;
    private static final int UDP_CHECKSUM = 6;
    private static final int SCTP_HEADER = 12;
    private static final int SCTP_CHECKSUM = 8;

    private final byte[] bytes = new byte[MAX_BYTES];
    private final byte[] frame = new byte[MAX_FRAME_BYTES];
    private final CRC32C crc32c = new CRC32C();

    private int length;
    private long first;
    private boolean hasData;
    private boolean cut;
    private int mss;

    // Where headers begin, when the driver wants something done about them.
    private int ip;
    private int l4;
    private int payload;

    void begin() {
        length = 0;
        hasData = false;
        cut = false;
    }

    byte[] bytes() {
        return bytes;
    }

    int length() {
        return length;
    }

    /** A context descriptor says to cut the packet into segments of this many bytes. */
    void segment(int mss) {
        cut = true;
        this.mss = mss;
    }

    boolean hasRoomFor(int more) {
        return more <= MAX_BYTES - length;
    }

    /** A data descriptor's buffer has been copied to the end of {@link #bytes}. */
    void added(long qw1, int more) {
        if (!hasData) {
            first = qw1;
            hasData = true;
        }
        length += more;
    }

    boolean isCut() {
        return cut;
    }

    /** How many frames the packet becomes; 0 when it cannot be sent as the driver wants it. */
    int frames() {
        int command = command(first);
        ip = macLength(first);
        l4 = ip + ipLength(first);
        payload = l4 + l4Length(first);
        if (!cut) {
            return length >= MIN_FRAME_BYTES && length <= MAX_FRAME_BYTES && offloadFits(command) ? 1 : 0;
        }
        boolean canBeCut = (command & CMD_L4T) == CMD_L4T_TCP
                && mss >= MIN_MSS
                && offloadFits(command)
                && (command & CMD_IIPT) != 0
                && payload < length
                && payload + mss <= MAX_FRAME_BYTES;
        return canBeCut ? (length - payload + mss - 1) / mss : 0;
    }

    /** Sum of the frames' sizes in a {@link FrameRing}, at most. */
    int ringBytes(int frames) {
        return frames * longestRingBytes();
    }

    /** Size of the longest frame there. */
    int longestRingBytes() {
        return FrameRing.sizeOf(isCut() ? payload + mss : length);
    }

    /** Makes the one frame of a packet that is not cut, in {@link #bytes}. */
    void finish() {
        int command = command(first);
        if ((command & CMD_IIPT) == CMD_IIPT_IPV4_CSUM) {
            ipv4Checksum(bytes);
        }
        switch (command & CMD_L4T) {
            case CMD_L4T_TCP -> transportChecksum(bytes, length, l4 + TCP_CHECKSUM);
            case CMD_L4T_UDP -> {
                transportChecksum(bytes, length, l4 + UDP_CHECKSUM);
                if (Checksum.get16(bytes, l4 + UDP_CHECKSUM) == 0) {
                    Checksum.put16(bytes, l4 + UDP_CHECKSUM, 0xffff);
                }
            }
            case CMD_L4T_SCTP -> {
                LittleEndian.put32(bytes, l4 + SCTP_CHECKSUM, 0);
                crc32c.reset();
                crc32c.update(bytes, l4, length - l4);
                LittleEndian.put32(bytes, l4 + SCTP_CHECKSUM, (int) crc32c.getValue());
            }
            default -> {}
        }
    }

    /** Makes a segment in {@link #segment}; returns its length. */
    int cut(int index) {
        int from = payload + index * mss;
        int data = Math.min(mss, length - from);
        boolean last = from + data == length;
        System.arraycopy(bytes, 0, frame, 0, payload);
        System.arraycopy(bytes, from, frame, payload, data);
        int end = payload + data;
        if ((command(first) & CMD_IIPT) == CMD_IIPT_IPV6) {
            Checksum.put16(frame, ip + IPV6_PAYLOAD_LENGTH, end - ip - IPV6_HEADER);
        } else {
            Checksum.put16(frame, ip + IPV4_TOTAL_LENGTH, end - ip);
            Checksum.put16(frame, ip + IPV4_ID, Checksum.get16(bytes, ip + IPV4_ID) + index);
            ipv4Checksum(frame);
        }
        int sequence = Integer.reverseBytes(LittleEndian.i32(bytes, l4 + TCP_SEQUENCE)) + index * mss;
        LittleEndian.put32(frame, l4 + TCP_SEQUENCE, Integer.reverseBytes(sequence));
        int flags = bytes[l4 + TCP_FLAGS];
        flags &= last ? -1 : ~TCP_FIN_PSH;
        flags &= index == 0 ? -1 : ~TCP_CWR;
        frame[l4 + TCP_FLAGS] = (byte) flags;
        int seed = Checksum.get16(bytes, l4 + TCP_CHECKSUM);
        Checksum.put16(frame, l4 + TCP_CHECKSUM, Checksum.add(seed, end - l4));
        transportChecksum(frame, end, l4 + TCP_CHECKSUM);
        return end;
    }

    /** What {@link #cut} has made. */
    byte[] segment() {
        return frame;
    }

    private boolean offloadFits(int command) {
        int ipHeader = switch (command & CMD_IIPT) {
            case CMD_IIPT_IPV6 -> IPV6_HEADER;
            case 0 -> 0;
            default -> IPV4_HEADER;
        };
        int l4Header = switch (command & CMD_L4T) {
            case CMD_L4T_TCP -> TCP_HEADER;
            case CMD_L4T_UDP -> UDP_HEADER;
            case CMD_L4T_SCTP -> SCTP_HEADER;
            default -> 0;
        };
        if (ipHeader == 0 && l4Header == 0) {
            return true;
        }
        return ip >= MIN_FRAME_BYTES && l4 - ip >= ipHeader && payload - l4 >= l4Header && payload <= length;
    }

    private void ipv4Checksum(byte[] in) {
        Checksum.put16(in, ip + IPV4_CHECKSUM, 0);
        Checksum.put16(in, ip + IPV4_CHECKSUM, Checksum.of(Checksum.add(0, in, ip, l4 - ip)));
    }

    /** The field holds the sum of the pseudo-header, and so takes part. */
    private void transportChecksum(byte[] in, int end, int field) {
        Checksum.put16(in, field, Checksum.of(Checksum.add(0, in, l4, end - l4)));
    }
}
