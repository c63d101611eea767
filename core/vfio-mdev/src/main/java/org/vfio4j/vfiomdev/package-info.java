@NullMarked
package org.vfio4j.vfiomdev;

import org.jspecify.annotations.NullMarked;
