package org.vfio4j.testkit;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.vfio4j.sys.Errno;

/** A vfio-user message as it is on the wire, right or wrong. Immutable. */
public final class RawMessage {

    /** Bytes of the header. */
    public static final int HEADER_SIZE = 16;

    /** Header flags: this answers a command. */
    public static final int REPLY = 1;

    /** Header flags: the sender wants no answer. */
    public static final int NO_REPLY = 0x10;

    /** Header flags: the command was refused. */
    public static final int ERROR = 0x20;

    private final int id;
    private final int command;
    private final int statedSize;
    private final int flags;
    private final int error;
    private final byte[] payload;

    private RawMessage(int id, int command, int statedSize, int flags, int error, byte[] payload) {
        this.id = id;
        this.command = command;
        this.statedSize = statedSize;
        this.flags = flags;
        this.error = error;
        this.payload = payload.clone();
    }

    /** A command with a right header and the id 0x1234. */
    public static RawMessage command(int command, byte... payload) {
        return new RawMessage(0x1234, command, HEADER_SIZE + payload.length, 0, 0, payload);
    }

    /** A command with a payload that is still being built. */
    public static RawMessage command(int command, Payload payload) {
        return command(command, payload.toBytes());
    }

    /** A reply to {@code request}. */
    public static RawMessage reply(RawMessage request, Payload payload) {
        byte[] bytes = payload.toBytes();
        return new RawMessage(request.id, request.command, HEADER_SIZE + bytes.length, REPLY, 0, bytes);
    }

    /** A reply to {@code request} that refuses it. */
    public static RawMessage error(RawMessage request, int errno) {
        return new RawMessage(request.id, request.command, HEADER_SIZE, REPLY | ERROR, errno, new byte[0]);
    }

    /** The message whose bytes {@code bytes} are. */
    public static RawMessage parse(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        return new RawMessage(
                Short.toUnsignedInt(in.getShort(0)),
                Short.toUnsignedInt(in.getShort(2)),
                in.getInt(4),
                in.getInt(8),
                in.getInt(12),
                Arrays.copyOfRange(bytes, HEADER_SIZE, bytes.length));
    }

    /** The same with another id. */
    public RawMessage withId(int newId) {
        return new RawMessage(newId, command, statedSize, flags, error, payload);
    }

    /** The same with other flags. */
    public RawMessage withFlags(int newFlags) {
        return new RawMessage(id, command, statedSize, newFlags, error, payload);
    }

    /** The same with a size in its header that need not be right. */
    public RawMessage withStatedSize(int size) {
        return new RawMessage(id, command, size, flags, error, payload);
    }

    public int id() {
        return id;
    }

    public int command() {
        return command;
    }

    /** Bytes of the whole message, as its header has it. */
    public int statedSize() {
        return statedSize;
    }

    public int flags() {
        return flags;
    }

    public int error() {
        return error;
    }

    public boolean isError() {
        return (flags & ERROR) != 0;
    }

    /** Bytes of the whole message. */
    public int size() {
        return HEADER_SIZE + payload.length;
    }

    public byte[] payload() {
        return payload.clone();
    }

    /** 16 bits of the payload. */
    public int u16(int offset) {
        return Short.toUnsignedInt(view().getShort(offset));
    }

    /** 32 bits of the payload. */
    public int u32(int offset) {
        return view().getInt(offset);
    }

    /** 64 bits of the payload. */
    public long u64(int offset) {
        return view().getLong(offset);
    }

    /** The message as it goes over the wire. */
    public byte[] toBytes() {
        return new Payload()
                .u16(id)
                .u16(command)
                .u32(statedSize)
                .u32(flags)
                .u32(error)
                .bytes(payload)
                .toBytes();
    }

    @Override
    public String toString() {
        return "message id " + id + " command " + command + " flags 0x" + Integer.toHexString(flags) + " error "
                + (error == 0 ? "0" : Errno.name(error)) + " payload " + payload.length + " bytes";
    }

    private ByteBuffer view() {
        return ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN);
    }
}
