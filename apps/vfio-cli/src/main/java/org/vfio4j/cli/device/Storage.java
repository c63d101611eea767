package org.vfio4j.cli.device;

import java.nio.file.Path;
import java.util.Optional;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.FileBackend;
import org.vfio4j.block.FileCaching;
import org.vfio4j.block.FileIoMode;
import org.vfio4j.block.MemoryBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.sys.Fd;

/** Where disks get what they stand on: anew, or as the process leaves it that this one takes over from. */
public interface Storage {

    /** For a process that takes over from nobody. */
    Storage ANEW = new Storage() {

        @Override
        public FileBackend file(Path path, boolean readOnly, FileIoMode mode, FileCaching caching) {
            return FileBackend.open(path, readOnly, mode, caching);
        }

        @Override
        public BlockBackend memory(PciAddress address, int index, long sizeBytes) {
            return MemoryBackend.shareable(sizeBytes);
        }
    };

    /** Opens a file: {@link FileBackend#open(Path, boolean, FileIoMode, FileCaching)}. */
    FileBackend file(Path path, boolean readOnly, FileIoMode mode, FileCaching caching);

    /**
     * Makes a disk in memory.
     *
     * @param address of the function that it is for
     * @param index which of its storages it is, from 0
     * @throws org.vfio4j.sys.ErrnoException as {@link MemoryBackend#shareable}
     */
    BlockBackend memory(PciAddress address, int index, long sizeBytes);

    /**
     * Makes a disk in memory for a scalable function of a DPU.
     *
     * @param scalable the function's name
     * @throws org.vfio4j.sys.ErrnoException as {@link MemoryBackend#shareable}
     */
    default BlockBackend memory(String scalable, long sizeBytes) {
        return MemoryBackend.shareable(sizeBytes);
    }

    /** The memory of a function's doorbells that its user may have mapped, the caller's; empty for memory of its own. */
    default Optional<Fd> doorbells(PciAddress address) {
        return Optional.empty();
    }
}
