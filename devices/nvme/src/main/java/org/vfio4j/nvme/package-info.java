@NullMarked
package org.vfio4j.nvme;

import org.jspecify.annotations.NullMarked;
