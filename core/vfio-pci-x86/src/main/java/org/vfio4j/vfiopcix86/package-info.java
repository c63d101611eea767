@NullMarked
package org.vfio4j.vfiopcix86;

import org.jspecify.annotations.NullMarked;
