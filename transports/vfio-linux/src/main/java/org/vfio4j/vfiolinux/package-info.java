/** Real hardware through the kernel's VFIO: which functions the machine has, binding them, and opening them. */
@NullMarked
package org.vfio4j.vfiolinux;

import org.jspecify.annotations.NullMarked;
