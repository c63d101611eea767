@NullMarked
package org.vfio4j.serialcard;

import org.jspecify.annotations.NullMarked;
