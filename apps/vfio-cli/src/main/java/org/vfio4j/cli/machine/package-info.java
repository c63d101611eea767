/** A machine that serves: its bus, and for each function or mediated device its driver, its server and its way to another process. */
@NullMarked
package org.vfio4j.cli.machine;

import org.jspecify.annotations.NullMarked;
