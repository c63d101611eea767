package org.vfio4j.mlx5;

/** The op_mod of SUSPEND_VHCA and RESUME_VHCA (linux/mlx5/mlx5_ifc.h). */
public enum VhcaSide {
    /** What the VHCA does by itself: its DMA, its interrupts. */
    INITIATOR,
    /** What others do to it. */
    RESPONDER
}
