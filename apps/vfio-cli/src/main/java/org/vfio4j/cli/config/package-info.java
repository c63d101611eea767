/** Files that describe machines, with what is wrong in them by line and column, and the commands about them. */
@NullMarked
package org.vfio4j.cli.config;

import org.jspecify.annotations.NullMarked;
