/** Tests in which foreign programs use what vfio4j serves: QEMU with a Linux guest. */
@NullMarked
package org.vfio4j.it;

import org.jspecify.annotations.NullMarked;
