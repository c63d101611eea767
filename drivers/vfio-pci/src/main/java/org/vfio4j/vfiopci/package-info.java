@NullMarked
package org.vfio4j.vfiopci;

import org.jspecify.annotations.NullMarked;
