@NullMarked
package org.vfio4j.i40evfiopci;

import org.jspecify.annotations.NullMarked;
