@NullMarked
package org.vfio4j.mdevcore;

import org.jspecify.annotations.NullMarked;
