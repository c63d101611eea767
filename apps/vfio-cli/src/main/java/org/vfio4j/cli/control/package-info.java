/** The control socket of a process: the form of requests, who asks, and who answers. */
@NullMarked
package org.vfio4j.cli.control;

import org.jspecify.annotations.NullMarked;
