@NullMarked
package org.vfio4j.mlx5mdev;

import org.jspecify.annotations.NullMarked;
