@NullMarked
package org.vfio4j.devicemodel;

import org.jspecify.annotations.NullMarked;
