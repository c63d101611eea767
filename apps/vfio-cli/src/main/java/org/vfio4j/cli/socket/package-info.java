/** What goes over sockets, whoever talks: lines, packets with descriptors, sockets at paths and inherited ones. */
@NullMarked
package org.vfio4j.cli.socket;

import org.jspecify.annotations.NullMarked;
