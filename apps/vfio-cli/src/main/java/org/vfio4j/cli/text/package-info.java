/** What people and scripts read and write: tables, JSON, sizes, progress, exit codes, and failures with what to try. */
@NullMarked
package org.vfio4j.cli.text;

import org.jspecify.annotations.NullMarked;
