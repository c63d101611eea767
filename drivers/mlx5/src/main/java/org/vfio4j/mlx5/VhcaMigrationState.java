package org.vfio4j.mlx5;

/**
 * What QUERY_VHCA_MIGRATION_STATE answers.
 *
 * @param requiredUmemSize bytes that the image needs which was asked for; 0 for an incremental one when nothing has changed
 * @param isLoading whether images have been loaded and the last has not come
 */
public record VhcaMigrationState(int requiredUmemSize, boolean isLoading) {}
