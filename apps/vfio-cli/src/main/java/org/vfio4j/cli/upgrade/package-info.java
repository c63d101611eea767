/** A process takes over what another one serves: the side that gives, the side that takes, and the rehearsal of both. */
@NullMarked
package org.vfio4j.cli.upgrade;

import org.jspecify.annotations.NullMarked;
