@NullMarked
package org.vfio4j.userspace.dma;

import org.jspecify.annotations.NullMarked;
