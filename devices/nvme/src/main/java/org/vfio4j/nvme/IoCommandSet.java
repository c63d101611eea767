package org.vfio4j.nvme;

import static org.vfio4j.nvme.NvmeSpec.*;

import org.vfio4j.devicemodel.CommandKind;
import org.vfio4j.devicemodel.CommandSet;

/** The I/O commands of the NVM Command Set (1.0, 3.2), to whoever counts them. */
enum IoCommandSet implements CommandSet {
    NVM;

    @Override
    public CommandKind kind(int opcode) {
        return switch (opcode) {
            case READ -> CommandKind.READ;
            case WRITE -> CommandKind.WRITE;
            case FLUSH -> CommandKind.FLUSH;
            case DATASET_MANAGEMENT, WRITE_ZEROES -> CommandKind.DISCARD;
            default -> CommandKind.OTHER;
        };
    }

    @Override
    public String name(int opcode) {
        return switch (opcode) {
            case FLUSH -> "Flush";
            case WRITE -> "Write";
            case READ -> "Read";
            case COMPARE -> "Compare";
            case WRITE_ZEROES -> "Write Zeroes";
            case DATASET_MANAGEMENT -> "Dataset Management";
            case VERIFY -> "Verify";
            case COPY -> "Copy";
            default -> "unknown";
        };
    }

    @Override
    public boolean isPlaced(int opcode) {
        return opcode != FLUSH && opcode != DATASET_MANAGEMENT;
    }

    @Override
    public boolean worked(int status) {
        return status == NvmeStatus.SUCCESSFUL_COMPLETION;
    }
}
