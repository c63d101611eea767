/** Commands that change what a process serves: {@code bind}, {@code unbind}, {@code resize}, {@code limit}, {@code sriov}, {@code snap}. */
@NullMarked
package org.vfio4j.cli.change;

import org.jspecify.annotations.NullMarked;
