/** Benchmarks: quality/bench/run and docs/performance.md say how they are used. */
@NullMarked
package org.vfio4j.bench;

import org.jspecify.annotations.NullMarked;
