/** A guest in user space and its moves between hosts: {@code vfio guest} and {@code vfio migrate}, and what both ask a server for. */
@NullMarked
package org.vfio4j.cli.guest;

import org.jspecify.annotations.NullMarked;
