@NullMarked
package org.vfio4j.userspace.nvme;

import org.jspecify.annotations.NullMarked;
