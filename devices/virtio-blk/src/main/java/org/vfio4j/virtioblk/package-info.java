@NullMarked
package org.vfio4j.virtioblk;

import org.jspecify.annotations.NullMarked;
