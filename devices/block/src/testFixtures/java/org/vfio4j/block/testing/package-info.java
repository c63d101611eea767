/** Storage for tests of devices that stand on it. */
@org.jspecify.annotations.NullMarked
package org.vfio4j.block.testing;
