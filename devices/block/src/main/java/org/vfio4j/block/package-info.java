@NullMarked
package org.vfio4j.block;

import org.jspecify.annotations.NullMarked;
