/** {@code vfio serve} and {@code vfio upgrade}: from a command line to a process that serves until it is told to stop. */
@NullMarked
package org.vfio4j.cli.serve;

import org.jspecify.annotations.NullMarked;
