package org.vfio4j.cli.device;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.JsonWriter;

/**
 * A function that a DPU was asked for while it served, for another process to ask for it again.
 *
 * @param by the network function
 * @param words its kind and settings, each virtual function being one: a version that knows none refuses that
 * @param driver empty for the one that its auxiliary device gets
 * @param socket empty for nowhere
 */
public record EmulatedWords(String by, String address, List<String> words, String driver, String socket) {

    public static EmulatedWords of(PciAddress address, Emulation how) {
        return new EmulatedWords(
                how.networkFunction().toString(),
                address.toString(),
                how.words(),
                how.driver().orElse(""),
                how.socket().map(path -> path.toAbsolutePath().toString()).orElse(""));
    }

    public JsonWriter write(JsonWriter json) {
        return json.object()
                .field("by", by)
                .field("address", address)
                .field("words", words)
                .field("driver", driver)
                .field("socket", socket)
                .end();
    }

    /** @throws CliException when this version does not know its settings */
    public Emulation again(DeviceKinds kinds) {
        return new Emulation(
                PciAddress.parse(by),
                Optional.of(PciAddress.parse(address)),
                SriovPlan.of(
                        kinds,
                        words.getFirst(),
                        words.stream().skip(1).map(Setting::of).toList()),
                Optional.of(driver).filter(name -> !name.isEmpty()),
                Optional.of(socket).filter(path -> !path.isEmpty()).map(Path::of),
                words);
    }

    /**
     * Its place on the bus, and those of its virtual functions, on or off.
     *
     * @throws CliException when this version does not know its settings
     */
    public List<String> places() {
        return again(new DeviceKinds()).plan().places(PciAddress.parse(address)).stream()
                .map(PciAddress::toString)
                .toList();
    }
}
