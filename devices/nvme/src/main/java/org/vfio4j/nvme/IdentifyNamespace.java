package org.vfio4j.nvme;

import java.nio.ByteBuffer;

/**
 * What Identify says of one namespace: NVM Command Set figure 97, Base figure 280 for what no command set matters to, Base figure
 * 276 for its names. Stateless.
 */
final class IdentifyNamespace {

    static final int SIZE = 4096;

    // Offsets, by the specification's names.
    static final int NSZE = 0;
    static final int NCAP = 8;
    static final int NUSE = 16;
    static final int NSFEAT = 24;
    static final int NLBAF = 25;
    static final int FLBAS = 26;
    static final int FPI = 32;
    static final int DLFEAT = 33;
    static final int NVMCAP = 48;
    static final int NPWG = 64;
    static final int NPWA = 66;
    static final int NPDG = 68;
    static final int NPDA = 70;
    static final int MSSRL = 74;
    static final int MCL = 76;
    static final int MSRC = 80;
    static final int NSATTR = 99;
    static final int NGUID = 104;
    static final int EUI64 = 120;
    static final int LBAF0 = 128;

    // Offsets in the structure that is independent of a command set.
    static final int INDEPENDENT_FPI = 3;
    static final int INDEPENDENT_NSATTR = 8;
    static final int INDEPENDENT_NSTAT = 14;

    /** NPWG and what follows it is meant. */
    private static final int NSFEAT_OPTIMAL_IO = 1 << 4;

    /** Deallocated blocks read as zeroes, and Write Zeroes may deallocate. */
    private static final int DLFEAT_ZEROES = (1 << 3) | 1;

    private static final int NSATTR_WRITE_PROTECTED = 1;
    private static final int NSTAT_READY = 1;

    // Namespace identifier types.
    private static final int NIDT_EUI64 = 1;
    private static final int NIDT_NGUID = 2;
    private static final int NIDT_UUID = 3;
    private static final int NIDT_CSI = 4;
    private static final int DESCRIPTOR_HEADER = 4;

    private IdentifyNamespace() {}

    /** What all namespaces have in common (Base 5.17.2.1.1): the formats, and nothing that is of one. */
    static ByteBuffer common() {
        ByteBuffer to = Bytes.structure(SIZE);
        to.put(NLBAF, (byte) (LbaFormat.count() - 1));
        to.put(DLFEAT, (byte) DLFEAT_ZEROES);
        putCopyLimits(to);
        for (int i = 0; i < LbaFormat.count(); i++) {
            to.putInt(LBAF0 + Integer.BYTES * i, LbaFormat.describe(i));
        }
        return to;
    }

    static ByteBuffer of(NvmeNamespace namespace) {
        ByteBuffer to = common();
        to.putLong(NSZE, namespace.blocks());
        to.putLong(NCAP, namespace.blocks());
        to.putLong(NUSE, namespace.blocks());
        to.put(NSFEAT, (byte) NSFEAT_OPTIMAL_IO);
        to.put(FLBAS, (byte) namespace.format());
        to.put(FPI, (byte) namespace.formatProgressIndicator());
        Bytes.put128(to, NVMCAP, namespace.sizeBytes());
        // 0's based: the blocks that make up what the storage writes at once.
        int granularity = Math.max(1, namespace.backend().physicalBlockBytes() >>> namespace.lbaShift()) - 1;
        for (int field = NPWG; field <= NPDA; field += Short.BYTES) {
            to.putShort(field, (short) granularity);
        }
        to.put(NSATTR, attributes(namespace));
        namespace.ids().nguid().ifPresent(nguid -> Bytes.putUuid(to, NGUID, nguid));
        Bytes.putBigEndian(to, EUI64, namespace.ids().eui64());
        return to;
    }

    /** I/O Command Set Independent Identify Namespace. */
    static ByteBuffer independentOf(NvmeNamespace namespace) {
        ByteBuffer to = Bytes.structure(SIZE);
        to.put(INDEPENDENT_FPI, (byte) namespace.formatProgressIndicator());
        to.put(INDEPENDENT_NSATTR, attributes(namespace));
        to.put(INDEPENDENT_NSTAT, (byte) (namespace.notReady() == 0 ? NSTAT_READY : 0));
        return to;
    }

    /** Namespace Identification Descriptor list. */
    static ByteBuffer descriptorsOf(NvmeNamespace namespace) {
        ByteBuffer to = Bytes.structure(SIZE);
        NamespaceIds ids = namespace.ids();
        if (ids.eui64() != 0) {
            Bytes.putBigEndian(to, descriptor(to, NIDT_EUI64, 8), ids.eui64());
        }
        ids.nguid().ifPresent(nguid -> Bytes.putUuid(to, descriptor(to, NIDT_NGUID, 16), nguid));
        Bytes.putUuid(to, descriptor(to, NIDT_UUID, 16), ids.uuid());
        descriptor(to, NIDT_CSI, 1);
        return to;
    }

    /** Begins a descriptor behind those before, and returns where its value is. */
    private static int descriptor(ByteBuffer to, int type, int length) {
        int at = to.position();
        to.put(at, (byte) type).put(at + 1, (byte) length);
        to.position(at + DESCRIPTOR_HEADER + length);
        return at + DESCRIPTOR_HEADER;
    }

    private static void putCopyLimits(ByteBuffer to) {
        to.putShort(MSSRL, (short) NvmeLimits.MAX_COPY_RANGE_BLOCKS);
        to.putInt(MCL, NvmeLimits.MAX_COPY_BLOCKS);
        to.put(MSRC, (byte) (NvmeLimits.MAX_COPY_RANGES - 1));
    }

    private static byte attributes(NvmeNamespace namespace) {
        return (byte) (namespace.isWriteProtected() ? NSATTR_WRITE_PROTECTED : 0);
    }
}
