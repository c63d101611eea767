package org.vfio4j.cli.device;

import java.util.List;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.mdevcore.MdevBus;
import org.vfio4j.mdevcore.MdevParent;
import org.vfio4j.mtty.Mtty;

/** The parent of serial cards. */
public final class MttyKind implements MdevParentKind {

    @Override
    public String name() {
        return Mtty.NAME;
    }

    @Override
    public List<String> help() {
        return List.of(
                "no settings: a parent of mdevs, see vfio mdev types;",
                "mtty-1 and mtty-2 are serial cards with 1 and 2 ports,",
                "of " + Mtty.PORTS + " ports in all");
    }

    @Override
    public Plan plan(List<Setting> settings) {
        if (!settings.isEmpty()) {
            throw CliException.usage(
                    Mtty.NAME + " has no setting '" + settings.getFirst().key() + "'", "vfio serve " + Mtty.NAME);
        }
        return (bus, driver) -> {
            Mtty mtty = new Mtty();
            MdevParent parent = mtty.register(bus, driver);
            return () -> {
                bus.unregister(parent, MdevBus.FOREVER);
                mtty.close();
            };
        };
    }
}
