@NullMarked
package org.vfio4j.userspace.disk;

import org.jspecify.annotations.NullMarked;
