@NullMarked
package org.vfio4j.i40e;

import org.jspecify.annotations.NullMarked;
