/** Functions of the machine itself, through the kernel's VFIO: {@code vfio host ls}, {@code show}, {@code bind}, {@code unbind}. */
@NullMarked
package org.vfio4j.cli.host;

import org.jspecify.annotations.NullMarked;
