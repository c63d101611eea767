package org.vfio4j.fuzz;

import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
import static org.vfio4j.uapi.Vfio.VFIO_DEVICE_FEATURE_SET;
import static org.vfio4j.vfio.VfioMigrationState.PRE_COPY;
import static org.vfio4j.vfio.VfioMigrationState.RESUMING;
import static org.vfio4j.vfio.VfioMigrationState.RUNNING;
import static org.vfio4j.vfio.VfioMigrationState.STOP_COPY;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32C;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bluefield.Bluefield;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.bus.PciBus;
import org.vfio4j.mlx5core.Mlx5CoreDriver;
import org.vfio4j.mlx5vfiopci.Mlx5VfioPciAuxiliaryDriver;
import org.vfio4j.mlx5vfiopci.Mlx5VfioPciDriver;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;
import org.vfio4j.vfio.LocalDeviceFile;
import org.vfio4j.vfio.VfioMigrationState;
import org.vfio4j.vfio.VfioRegistry;
import org.vfio4j.virtioblk.VirtioBlk;

/**
 * The migration stream of a function that a DPU emulates, as it comes from another server: records, and the firmware's images in
 * them, whose checksums are made right.
 */
final class VhcaStreamTarget implements FuzzTarget {

    private static final int RECORD_HEADER_BYTES = 16;
    private static final int IMAGE_CRC_AT = 24;
    private static final int IMAGE_HEADER_BYTES = 28;

    private final PciBus bus = new PciBus();
    private final VfioRegistry registry = new VfioRegistry();
    private final BlockBackend storage = new MemoryBackend(TestDisk.BYTES);
    private final Bluefield dpu;
    private final LocalDeviceFile file;

    VhcaStreamTarget() {
        bus.provide(VfioRegistry.class, registry);
        bus.auxiliary().register(new Mlx5VfioPciAuxiliaryDriver());
        bus.register(new Mlx5VfioPciDriver());
        bus.register(new Mlx5CoreDriver());
        dpu = new Bluefield(bus, PciAddress.parse("07:00.0"));
        dpu.createVirtioBlk(
                0,
                PciAddress.parse("08:00.0"),
                VirtioBlk.builder(storage).queueSize(32).build());
        file = registry.devices().getFirst().open();
    }

    @Override
    public List<byte[]> corpus() {
        go(STOP_COPY);
        byte[] whole = read();
        file.reset();
        go(PRE_COPY);
        byte[] first = read();
        go(STOP_COPY);
        byte[] last = read();
        file.reset();
        byte[] both = Arrays.copyOf(first, first.length + last.length);
        System.arraycopy(last, 0, both, first.length, last.length);
        return List.of(whole, both);
    }

    @Override
    public long run(byte[] input) {
        byte[] stream = sealed(input);
        go(RESUMING);
        long outcome;
        try {
            // In two pieces, cut wherever that is.
            int cut = stream.length == 0 ? 0 : Math.floorMod(Arrays.hashCode(stream), stream.length);
            file.migrationWrite(MemorySegment.ofArray(stream), 0, cut);
            file.migrationWrite(MemorySegment.ofArray(stream), cut, stream.length - cut);
            go(RUNNING);
            outcome = 1;
        } catch (ErrnoException e) {
            outcome = ("" + e.getMessage()).replaceAll("[^a-z]", "").hashCode();
        }
        file.reset();
        return outcome;
    }

    @Override
    public void checkWorks() {
        go(STOP_COPY);
        byte[] state = read();
        go(RESUMING);
        file.migrationWrite(MemorySegment.ofArray(state), 0, state.length);
        go(RUNNING);
    }

    @Override
    public void close() {
        file.close();
        dpu.close();
        storage.close();
    }

    private void go(VfioMigrationState state) {
        MemorySegment data = MemorySegment.ofArray(new byte[8]);
        data.set(JAVA_INT_UNALIGNED, 0, state.ordinal());
        data.set(JAVA_INT_UNALIGNED, 4, -1);
        file.feature(VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, data);
    }

    private byte[] read() {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        byte[] chunk = new byte[1 << 14];
        try {
            int count = file.migrationRead(MemorySegment.ofArray(chunk), 0, chunk.length);
            while (count > 0) {
                all.write(chunk, 0, count);
                count = file.migrationRead(MemorySegment.ofArray(chunk), 0, chunk.length);
            }
        } catch (ErrnoException e) {
            if (e.errno() != Errno.ENOMSG) {
                throw e;
            }
        }
        return all.toByteArray();
    }

    private static byte[] sealed(byte[] input) {
        byte[] stream = input.clone();
        ByteBuffer bytes = ByteBuffer.wrap(stream).order(ByteOrder.LITTLE_ENDIAN);
        long at = 0;
        while (at + RECORD_HEADER_BYTES <= stream.length) {
            int start = (int) at;
            long size = bytes.getLong(start);
            int image = start + RECORD_HEADER_BYTES;
            if (size < 0 || size > stream.length - image) {
                break;
            }
            if (bytes.getInt(start + 12) == 0 && size >= IMAGE_HEADER_BYTES) {
                CRC32C crc = new CRC32C();
                crc.update(stream, image, IMAGE_CRC_AT);
                crc.update(stream, image + IMAGE_HEADER_BYTES, (int) size - IMAGE_HEADER_BYTES);
                bytes.putInt(image + IMAGE_CRC_AT, (int) crc.getValue());
            }
            at = image + size;
        }
        return stream;
    }
}
