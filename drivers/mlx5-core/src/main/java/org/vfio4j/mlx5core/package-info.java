@NullMarked
package org.vfio4j.mlx5core;

import org.jspecify.annotations.NullMarked;
