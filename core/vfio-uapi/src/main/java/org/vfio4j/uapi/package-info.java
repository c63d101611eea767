@NullMarked
package org.vfio4j.uapi;

import org.jspecify.annotations.NullMarked;
