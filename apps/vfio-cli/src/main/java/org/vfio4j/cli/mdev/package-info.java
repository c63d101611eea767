/** Mediated devices as they are defined and as they are: files, states and events, without any that exists. */
@NullMarked
package org.vfio4j.cli.mdev;

import org.jspecify.annotations.NullMarked;
