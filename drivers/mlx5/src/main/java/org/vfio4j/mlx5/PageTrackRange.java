package org.vfio4j.mlx5;

/**
 * A range of IO addresses of a page tracker: {@code struct mlx5_ifc_page_track_range_bits}.
 *
 * @param first its first byte, unsigned
 * @param last its last byte, unsigned, not before the first
 */
public record PageTrackRange(long first, long last) {}
