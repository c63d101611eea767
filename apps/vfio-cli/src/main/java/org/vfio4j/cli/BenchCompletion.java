package org.vfio4j.cli;

import org.vfio4j.userspace.nvme.Completion;

/** Takes the completed requests of any kind of disk. */
interface BenchCompletion extends Completion, org.vfio4j.userspace.virtioblk.Completion {}
