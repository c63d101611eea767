@NullMarked
package org.vfio4j.bus;

import org.jspecify.annotations.NullMarked;
