@NullMarked
package org.vfio4j.userspace.virtioblk;

import org.jspecify.annotations.NullMarked;
