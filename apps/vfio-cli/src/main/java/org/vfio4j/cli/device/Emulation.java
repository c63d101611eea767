package org.vfio4j.cli.device;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;

/**
 * A function that a DPU is to emulate.
 *
 * @param networkFunction which of the DPU's functions it is behind
 * @param address where it sits; empty for the next free function beside that
 * @param plan what it is
 * @param driver its driver; empty for the one that its auxiliary device gets by itself
 * @param socket where it is served; empty for nowhere
 * @param words its kind and settings, for another process to ask for it again; empty for one of the machine's description
 */
public record Emulation(
        PciAddress networkFunction,
        Optional<PciAddress> address,
        DevicePlan plan,
        Optional<String> driver,
        Optional<Path> socket,
        List<String> words) {}
