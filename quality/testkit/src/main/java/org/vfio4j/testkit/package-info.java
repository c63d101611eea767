@NullMarked
package org.vfio4j.testkit;

import org.jspecify.annotations.NullMarked;
