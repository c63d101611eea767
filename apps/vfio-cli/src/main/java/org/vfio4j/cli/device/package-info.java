/** The kinds of devices that can be served, their settings, what is planned of them, and what of them can be changed while they are used. */
@NullMarked
package org.vfio4j.cli.device;

import org.jspecify.annotations.NullMarked;
