/** Work for disks, and checks of what they bring back: for measurements, rehearsals and demonstrations. */
@NullMarked
package org.vfio4j.cli.load;

import org.jspecify.annotations.NullMarked;
