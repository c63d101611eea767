/** {@code vfio demo}: the main job, as one would type it. */
@NullMarked
package org.vfio4j.cli.demo;

import org.jspecify.annotations.NullMarked;
