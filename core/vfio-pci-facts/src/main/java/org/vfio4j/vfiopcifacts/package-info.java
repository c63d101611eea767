@NullMarked
package org.vfio4j.vfiopcifacts;

import org.jspecify.annotations.NullMarked;
