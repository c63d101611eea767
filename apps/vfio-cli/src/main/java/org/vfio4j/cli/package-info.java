@NullMarked
package org.vfio4j.cli;

import org.jspecify.annotations.NullMarked;
