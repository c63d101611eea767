package org.vfio4j.mlx5core;

import org.vfio4j.bus.FunctionPart;
import org.vfio4j.bus.PciDevice;
import org.vfio4j.mlx5.Mlx5Firmware;

/**
 * What an auxiliary device {@code mlx5_core.vfio_pci.N} is about: a function that a DPU emulates, for the driver that gives it to
 * VFIO's users.
 *
 * @param function the emulated function, on the PCI bus
 * @param vhcaId by which commands name it
 * @param firmware that carries commands out, as long as the auxiliary device is there
 */
public record Mlx5VfioPciDevice(PciDevice function, int vhcaId, Mlx5Firmware firmware) implements FunctionPart {}
