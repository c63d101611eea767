@NullMarked
package org.vfio4j.sys;

import org.jspecify.annotations.NullMarked;
