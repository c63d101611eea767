@NullMarked
package org.vfio4j.mlx5;

import org.jspecify.annotations.NullMarked;
