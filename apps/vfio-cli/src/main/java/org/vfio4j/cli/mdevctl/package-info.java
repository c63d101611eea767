/** {@code vfio mdev}: what mdevctl does, and with its definitions. */
@NullMarked
package org.vfio4j.cli.mdevctl;

import org.jspecify.annotations.NullMarked;
