@NullMarked
package org.vfio4j.vfiouser;

import org.jspecify.annotations.NullMarked;
