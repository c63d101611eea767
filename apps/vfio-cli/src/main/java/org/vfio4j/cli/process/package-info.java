/** This process, as its operating system and its JVM have it: signals, precedence, compilers, its parent, and closing in order. */
@NullMarked
package org.vfio4j.cli.process;

import org.jspecify.annotations.NullMarked;
