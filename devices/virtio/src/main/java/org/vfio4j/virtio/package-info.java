@NullMarked
package org.vfio4j.virtio;

import org.jspecify.annotations.NullMarked;
