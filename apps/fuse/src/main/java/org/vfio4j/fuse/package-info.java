@NullMarked
package org.vfio4j.fuse;

import org.jspecify.annotations.NullMarked;
