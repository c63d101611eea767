@NullMarked
package org.vfio4j.vfiopcipowernv;

import org.jspecify.annotations.NullMarked;
