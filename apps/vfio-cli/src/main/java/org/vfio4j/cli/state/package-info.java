/** What a serving process tells of itself, and how other commands find it and choose among what it serves. */
@NullMarked
package org.vfio4j.cli.state;

import org.jspecify.annotations.NullMarked;
