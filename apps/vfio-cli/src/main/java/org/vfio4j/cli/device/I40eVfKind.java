package org.vfio4j.cli.device;

import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.i40evf.I40eVf;
import org.vfio4j.i40evf.NetworkLink;
import org.vfio4j.sys.ErrnoException;

/** A network interface. Those of one process whose link has the same name are connected. */
final class I40eVfKind implements DeviceKind {

    private static final String NAME = "i40e-vf";
    private static final List<String> KEYS = List.of("link", "mac", "queues", "poll");
    private static final String EXAMPLE_MAC = "mac=02:00:00:00:00:01";

    private final Map<String, NetworkLink> links = new HashMap<>();

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public List<String> help() {
        return List.of(
                "link=NAME        the wire it is at: all with this name are connected",
                "                 (default: link0)",
                "mac=ADDRESS      as 02:00:00:00:00:01 (default: made of its address)",
                "queues=N         queue pairs, 1 to " + I40eVf.MAX_QUEUE_PAIRS + " (default 4)",
                "poll=WHEN        adaptive, always or off (default adaptive)");
    }

    @Override
    public DevicePlan plan(List<Setting> settings) {
        Interface plan = new Interface();
        settings.forEach(plan::set);
        return plan;
    }

    /** The settings of one interface, checked one by one as they come. */
    private final class Interface implements DevicePlan {

        private String link = "link0";
        private Optional<String> mac = Optional.empty();
        private int queues = 4;
        private QueuePolling polling = QueuePolling.ADAPTIVE;

        @Override
        public EmulatedDevice open(PciAddress address) {
            String macAddress = mac.orElseGet(() -> String.format(
                    Locale.ROOT, "02:00:00:%02x:%02x:%02x", address.bus(), address.device(), address.function()));
            I40eVf.Builder builder;
            try {
                builder = I40eVf.builder(
                        links.computeIfAbsent(link, name -> new NetworkLink()).addPort());
            } catch (ErrnoException e) {
                throw new CliException(e, "another link=");
            }
            I40eVf vf = builder.name(NAME + "-" + address)
                    .macAddress(macAddress)
                    .queuePairs(queues)
                    .poll(polling)
                    .build();
            return new EmulatedDevice(NAME, macAddress + " at " + link, vf.function(), List.of(vf));
        }

        private void set(Setting setting) {
            if (KEYS.contains(setting.key())) {
                setting.needValue("vfio serve i40e-vf link=net0 " + EXAMPLE_MAC + " --socket-path /tmp/nic.sock");
            }
            switch (setting.key()) {
                case "link" -> link = setting.value();
                case "mac" -> mac = Optional.of(checkedMac(setting));
                case "queues" -> queues = setting.number(1, I40eVf.MAX_QUEUE_PAIRS);
                case "poll" -> polling = setting.polling();
                default -> throw setting.unknown(NAME, KEYS);
            }
        }

        private static String checkedMac(Setting setting) {
            try {
                I40eVf.builder(new NetworkLink().addPort()).macAddress(setting.value());
                return setting.value();
            } catch (IllegalArgumentException e) {
                throw CliException.usage(String.valueOf(e.getMessage()), EXAMPLE_MAC);
            }
        }
    }
}
