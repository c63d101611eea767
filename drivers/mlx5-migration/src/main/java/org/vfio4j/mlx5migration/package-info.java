@NullMarked
package org.vfio4j.mlx5migration;

import org.jspecify.annotations.NullMarked;
