/** {@code vfio stat} and {@code vfio top}: what functions have done, and what they do now. */
@NullMarked
package org.vfio4j.cli.stat;

import org.jspecify.annotations.NullMarked;
