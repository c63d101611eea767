@NullMarked
package org.vfio4j.mtty;

import org.jspecify.annotations.NullMarked;
