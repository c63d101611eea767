/** Decoders under inputs that nobody meant, and servers under peers that mean harm. */
@NullMarked
package org.vfio4j.fuzz;

import org.jspecify.annotations.NullMarked;
