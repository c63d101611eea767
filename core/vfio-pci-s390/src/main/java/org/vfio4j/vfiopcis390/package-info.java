@NullMarked
package org.vfio4j.vfiopcis390;

import org.jspecify.annotations.NullMarked;
