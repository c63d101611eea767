@NullMarked
package org.vfio4j.sysfsfuse;

import org.jspecify.annotations.NullMarked;
