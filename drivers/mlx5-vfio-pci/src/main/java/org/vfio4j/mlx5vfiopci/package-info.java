@NullMarked
package org.vfio4j.mlx5vfiopci;

import org.jspecify.annotations.NullMarked;
