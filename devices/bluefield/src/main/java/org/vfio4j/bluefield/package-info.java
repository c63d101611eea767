@NullMarked
package org.vfio4j.bluefield;

import org.jspecify.annotations.NullMarked;
