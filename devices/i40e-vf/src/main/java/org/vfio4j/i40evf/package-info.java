@NullMarked
package org.vfio4j.i40evf;

import org.jspecify.annotations.NullMarked;
