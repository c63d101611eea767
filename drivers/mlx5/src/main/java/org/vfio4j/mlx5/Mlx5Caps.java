package org.vfio4j.mlx5;

/**
 * What a device's firmware can do: of {@code struct mlx5_ifc_cmd_hca_cap_bits}, {@code _2_bits} and {@code
 * mlx5_ifc_adv_virtualization_cap_bits} (linux/mlx5/mlx5_ifc.h) what migration needs.
 *
 * @param migration whether VHCAs can be saved and loaded
 * @param migrationTrackingState whether while they run as well, in incremental images
 * @param advVirtualization whether there are page trackers
 * @param pgTrackMaxNumRange the most ranges of one
 * @param pgTrackLogMinPageSize its smallest page, as a power of two
 * @param pgTrackLogMaxPageSize its largest page
 */
public record Mlx5Caps(
        boolean migration,
        boolean migrationTrackingState,
        boolean advVirtualization,
        int pgTrackMaxNumRange,
        int pgTrackLogMinPageSize,
        int pgTrackLogMaxPageSize) {}
