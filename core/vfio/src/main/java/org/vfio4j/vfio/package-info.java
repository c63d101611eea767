@NullMarked
package org.vfio4j.vfio;

import org.jspecify.annotations.NullMarked;
