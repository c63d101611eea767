/** The command {@code vfio}: which commands there are, and how a failure becomes an exit code and two lines. Nothing is above it. */
@NullMarked
package org.vfio4j.cli;

import org.jspecify.annotations.NullMarked;
