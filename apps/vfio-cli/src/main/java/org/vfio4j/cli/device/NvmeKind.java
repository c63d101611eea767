package org.vfio4j.cli.device;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.vfio4j.block.BlockBackend;
import org.vfio4j.block.NullBackend;
import org.vfio4j.block.TrackedBackend;
import org.vfio4j.bus.PciAddress;
import org.vfio4j.cli.process.Closing;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.Sizes;
import org.vfio4j.devicemodel.DeviceLimits;
import org.vfio4j.devicemodel.DeviceRecorder;
import org.vfio4j.devicemodel.QueuePolling;
import org.vfio4j.devicemodel.SriovRole;
import org.vfio4j.mlx5.SnapFunction;
import org.vfio4j.nvme.NamespaceOptions;
import org.vfio4j.nvme.Nvme;
import org.vfio4j.nvme.NvmeIdentity;
import org.vfio4j.sys.Cpus;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** An NVMe controller with its namespaces. */
public final class NvmeKind implements DeviceKind {

    private static final String NAME = "nvme";
    private static final String EXAMPLE = "vfio serve nvme memory=512M --socket-path /tmp/nvme.sock";
    private static final List<String> KEYS = List.of(
            "file",
            "memory",
            "null",
            "readonly",
            "block",
            "serial",
            "subnqn",
            "queues",
            "threads",
            "cpus",
            "poll",
            "doorbells",
            "io",
            "direct",
            "pin",
            "incoming",
            "iops",
            "bandwidth",
            "slow");

    private final Storage opener;

    public NvmeKind() {
        this(Storage.ANEW);
    }

    NvmeKind(Storage opener) {
        this.opener = opener;
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public List<String> help() {
        return List.of(
                "file=PATH        a namespace: an image or a block device,",
                "memory=SIZE      or memory of this process,",
                "null=SIZE        or nothing; each of them again for one more",
                "readonly         refuse writes to files",
                "block=BYTES      of a logical block: 512 or 4096 (default 512)",
                "serial=TEXT      up to 20 characters",
                "subnqn=NQN       name of the subsystem",
                "queues=N         pairs, 1 to 64 (default 8)",
                "threads=N        threads that share them, up to as many (default 1)",
                "cpus=LIST        where these run, as 2-3 (default anywhere)",
                "poll=WHEN        adaptive, always or off (default adaptive)",
                "doorbells=HOW    trapped or mapped (mapped if poll=always)",
                "io=HOW           auto, uring or sync, for files (default auto)",
                "direct           past the page cache, for files",
                "pin              the guest's memory, for files: shorter requests, for",
                "                 guests that give no memory back",
                "incoming         for files: another server has them still, whose",
                "                 guest will come; claimed at their first use",
                "iops=N           commands in a second (default no limit)",
                "bandwidth=SIZE   bytes in a second (default no limit)",
                "slow=TIME        a command that takes longer is slow, or off",
                "                 (default 10ms)");
    }

    @Override
    public DevicePlan plan(List<Setting> settings) {
        ControllerPlan plan = new ControllerPlan(opener);
        settings.forEach(plan::set);
        if (plan.storages.isEmpty()) {
            throw CliException.usage(
                    "nvme without a namespace: file=PATH, memory=SIZE or null=SIZE is needed", EXAMPLE);
        }
        if (plan.threads > plan.queues) {
            throw CliException.usage(
                    "threads=" + plan.threads + ": more than its " + plan.queues + " queue pairs",
                    "queues=" + plan.threads + ",threads=" + plan.threads);
        }
        plan.files.check(plan.storages.stream().anyMatch(StoragePlan.File.class::isInstance));
        return plan;
    }

    /** What a namespace is to stand on. */
    private sealed interface StoragePlan {

        record File(Path path) implements StoragePlan {}

        record Memory(long sizeBytes) implements StoragePlan {}

        record Null(long sizeBytes) implements StoragePlan {}
    }

    /** The settings of one controller, checked one by one as they come. */
    private static final class ControllerPlan implements DevicePlan {

        private final Storage opener;
        private final FileSettings files = new FileSettings();
        private final List<StoragePlan> storages = new ArrayList<>();
        private int blockBytes = 512;
        private Optional<String> serial = Optional.empty();
        private Optional<String> subnqn = Optional.empty();
        private int queues = 8;
        private QueuePolling polling = QueuePolling.ADAPTIVE;
        private Optional<Boolean> mapped = Optional.empty();
        private int threads = 1;
        private Cpus cpus = Cpus.ANY;
        private int iops;
        private long bandwidth;
        private long slowNs = DeviceRecorder.DEFAULT_SLOW_NS;

        ControllerPlan(Storage opener) {
            this.opener = opener;
        }

        @Override
        public Optional<SnapFunction.Protocol> snapProtocol() {
            return Optional.of(SnapFunction.Protocol.NVME);
        }

        @Override
        public boolean virtualizes() {
            return true;
        }

        @Override
        public EmulatedDevice open(PciAddress address) {
            return open(address, SriovRole.NONE);
        }

        @Override
        public EmulatedDevice open(PciAddress address, SriovRole role) {
            List<AutoCloseable> parts = new ArrayList<>();
            try {
                List<BlockBackend> backends = new ArrayList<>();
                for (StoragePlan storage : storages) {
                    BlockBackend backend = open(storage, address, backends.size());
                    parts.add(backend);
                    backends.add(backend);
                }
                Nvme nvme = build(backends, address, role);
                parts.addFirst(nvme);
                return new EmulatedDevice(
                        NAME,
                        () -> describe(backends, nvme.limits()),
                        nvme.function(),
                        parts,
                        new NvmeTuning(nvme, backends.size()));
            } catch (RuntimeException e) {
                parts.forEach(Closing::quietly);
                throw e;
            }
        }

        private Nvme build(List<BlockBackend> backends, PciAddress address, SriovRole role) {
            try {
                Nvme.Builder builder = Nvme.builder(identity(address))
                        .name(NAME + "-" + address)
                        .queuePairs(queues)
                        .threads(threads)
                        .cpus(cpus)
                        .limits(iops, bandwidth)
                        .slowNs(slowNs)
                        .poll(polling)
                        .sriov(role);
                for (BlockBackend backend : backends) {
                    builder.namespace(new NamespaceOptions(backend, blockBytes, Optional.empty()));
                }
                if (mapped.orElse(polling.always())) {
                    opener.doorbells(address).ifPresentOrElse(builder::mappableDoorbells, builder::mappableDoorbells);
                }
                return builder.build();
            } catch (ErrnoException e) {
                throw new CliException(e, "vfio serve --help");
            }
        }

        /** A serial number that tells the controllers of one server apart, if none is asked for. */
        private NvmeIdentity identity(PciAddress address) {
            NvmeIdentity made = NvmeIdentity.of(serial.orElse("vfio4j-" + address));
            return new NvmeIdentity(
                    made.vendorId(),
                    made.subsystemVendorId(),
                    made.ieeeOui(),
                    made.controllerId(),
                    made.serial(),
                    made.model(),
                    made.firmware(),
                    subnqn.orElse(made.subnqn()));
        }

        private static String describe(List<BlockBackend> backends, DeviceLimits limits) {
            long requests = limits.requestsPerSecond();
            long bytes = limits.bytesPerSecond();
            return describe(backends)
                    + (requests == 0 ? "" : ", " + requests + " requests/s")
                    + (bytes == 0 ? "" : ", " + Sizes.format(bytes) + "/s");
        }

        private static String describe(List<BlockBackend> backends) {
            return String.join(
                    "; ",
                    backends.stream()
                            .map(backend -> Sizes.format(backend.sizeBytes()) + ", " + backend.describe()
                                    + (backend.readOnly() ? ", read-only" : ""))
                            .toList());
        }

        private BlockBackend open(StoragePlan storage, PciAddress address, int index) {
            try {
                return switch (storage) {
                    case StoragePlan.File file -> new TrackedBackend(files.open(opener, file.path()));
                    case StoragePlan.Memory memory ->
                        new TrackedBackend(opener.memory(address, index, memory.sizeBytes()));
                    case StoragePlan.Null nothing -> new NullBackend(nothing.sizeBytes());
                };
            } catch (ErrnoException e) {
                throw new CliException(e, hint(storage, e.errno()));
            }
        }

        private String hint(StoragePlan storage, int errno) {
            if (!(storage instanceof StoragePlan.File(Path path))) {
                return errno == Errno.ENOMEM ? "a smaller size, or file=PATH" : "memory=512M";
            }
            return files.hint(errno, path).orElse("ls -l " + path);
        }

        private void set(Setting setting) {
            String key = setting.key();
            if (!FileSettings.SWITCHES.contains(key) && KEYS.contains(key)) {
                setting.needValue(EXAMPLE);
            }
            if (files.take(setting)) {
                return;
            }
            switch (key) {
                case "file" -> storages.add(new StoragePlan.File(Path.of(setting.value())));
                case "memory" -> storages.add(new StoragePlan.Memory(Sizes.parse(key, setting.value())));
                case "null" -> storages.add(new StoragePlan.Null(Sizes.parse(key, setting.value())));
                case "block" -> blockBytes = blockBytes(setting);
                case "serial" -> serial = Optional.of(text(setting, 20));
                case "subnqn" -> subnqn = Optional.of(text(setting, 223));
                case "queues" -> queues = setting.number(1, Nvme.MAX_QUEUE_PAIRS);
                case "poll" -> polling = setting.polling();
                case "doorbells" -> mapped = Optional.of(isMapped(setting));
                case "threads" -> threads = setting.number(1, Nvme.MAX_QUEUE_PAIRS);
                case "cpus" -> cpus = setting.cpus();
                case "iops" -> iops = setting.number(0, Integer.MAX_VALUE);
                case "bandwidth" -> bandwidth = Sizes.parse(key, setting.value());
                case "slow" -> slowNs = setting.isOff() ? Long.MAX_VALUE : setting.durationNs();
                default -> throw setting.unknown(NAME, KEYS);
            }
        }

        private static int blockBytes(Setting setting) {
            return switch (setting.value()) {
                case "512" -> 512;
                case "4096", "4K", "4k" -> 4096;
                default -> throw CliException.usage(setting + ": expected 512 or 4096", "block=4096");
            };
        }

        private static String text(Setting setting, int most) {
            String value = setting.value();
            if (value.length() > most || !value.chars().allMatch(c -> c > 0x20 && c < 0x7f)) {
                throw CliException.usage(
                        setting + ": the limit is " + most + " printable ASCII characters", "serial=DISK-0001");
            }
            return value;
        }

        private static boolean isMapped(Setting setting) {
            return switch (setting.value()) {
                case "mapped" -> true;
                case "trapped" -> false;
                default -> throw CliException.usage(setting + ": expected trapped or mapped", "doorbells=mapped");
            };
        }
    }
}
