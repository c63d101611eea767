/** The keeper of a supervised server, what servers leave with it, and the server's side of their connection. */
@NullMarked
package org.vfio4j.cli.keep;

import org.jspecify.annotations.NullMarked;
