package org.vfio4j.mlx5core;

import org.vfio4j.bus.PciDevice;
import org.vfio4j.mlx5.Mlx5Firmware;

/**
 * What an auxiliary device {@code mlx5_core.mdev.N} is about: that a physical function can have scalable functions, for the driver that
 * makes mediated devices of them.
 *
 * @param parent the physical function
 * @param firmware that makes them, as long as the auxiliary device is there
 */
public record Mlx5MdevDevice(PciDevice parent, Mlx5Firmware firmware) {}
