/** {@code vfio bench}: what a server does in a second, and how long it takes. */
@NullMarked
package org.vfio4j.cli.bench;

import org.jspecify.annotations.NullMarked;
