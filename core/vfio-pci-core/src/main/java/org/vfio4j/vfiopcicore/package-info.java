@NullMarked
package org.vfio4j.vfiopcicore;

import org.jspecify.annotations.NullMarked;
