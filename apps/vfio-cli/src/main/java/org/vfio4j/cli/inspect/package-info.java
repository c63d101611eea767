/**
 * Commands that only look, at what is served and at the drivers that there are: {@code ls}, {@code show}, {@code tree}, {@code drivers},
 * {@code modalias}.
 */
@NullMarked
package org.vfio4j.cli.inspect;

import org.jspecify.annotations.NullMarked;
