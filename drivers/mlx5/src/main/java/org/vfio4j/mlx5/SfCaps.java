package org.vfio4j.mlx5;

/**
 * How much a physical function has for scalable functions, all of them together.
 *
 * @param maxNumSf how many there can be: max_num_sf of {@code struct mlx5_ifc_cmd_hca_cap_bits}; 0 for a device without them
 * @param maxQueues of all of them, as {@link SfRequest} counts them
 * @param maxBytes of all their storage
 */
public record SfCaps(int maxNumSf, int maxQueues, long maxBytes) {

    /** Of a device without scalable functions. */
    public static final SfCaps NONE = new SfCaps(0, 0, 0);
}
