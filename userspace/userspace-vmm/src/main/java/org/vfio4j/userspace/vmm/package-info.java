@NullMarked
package org.vfio4j.userspace.vmm;

import org.jspecify.annotations.NullMarked;
