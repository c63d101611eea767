package org.vfio4j.vfiouser;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.vfio4j.sys.Fd;
import org.vfio4j.vfio.VfioMsixCopy;

/**
 * A client's part of a {@link ServerHandover}, taken apart. Its descriptors belong to where it was read from, or to the
 * connection that it was made of.
 *
 * @param socket the connection
 * @param capabilities what the client says it can do; empty before VERSION
 * @param twin the socket for the server's requests
 * @param rest what has come of a message that is not complete
 * @param restFds the descriptors that came with it
 * @param habits how the client answers requests for its memory
 * @param maps its memory
 * @param irqs its interrupts, by index
 * @param msix its MSI-X table
 */
record ClientHandover(
        Fd socket,
        Optional<Capabilities> capabilities,
        Optional<Fd> twin,
        byte[] rest,
        List<Fd> restFds,
        DmaRequests.Habits habits,
        List<MapAndFile> maps,
        Map<Integer, Irqs> irqs,
        VfioMsixCopy msix) {

    /** A map and its memory; none for memory that is reached by messages. */
    record MapAndFile(ClientMaps.Map map, Optional<Fd> file) {}

    /** An interrupt index: {@link ClientIrqs.Index}. */
    record Irqs(TreeMap<Integer, Fd> triggers, Optional<Fd> unmask, BitSet masked) {}

    /** The same with an MSI-X table. */
    ClientHandover withMsix(VfioMsixCopy other) {
        return new ClientHandover(socket, capabilities, twin, rest, restFds, habits, maps, irqs, other);
    }

    void write(HandoverRecord.Writer out) {
        out.fd(Optional.of(socket));
        out.flag(capabilities.isPresent());
        capabilities.ifPresent(agreed -> out.text(agreed.toJson()));
        out.fd(twin);
        out.bytes(rest).number(restFds.size());
        restFds.forEach(fd -> out.fd(Optional.of(fd)));
        out.number(habits.layout()).number(habits.sequence());
        out.number(habits.owed().size());
        habits.owed().forEach(owed -> out.number(owed.id()).number(owed.command()));
        out.number(maps.size());
        maps.forEach(map -> write(out, map));
        out.number(irqs.size());
        irqs.forEach((index, set) -> write(out.number(index), set));
        out.bytes(msix.table()).bytes(msix.pending().toByteArray());
    }

    static ClientHandover read(HandoverRecord.Reader in) {
        Fd socket = in.fd().orElseThrow(() -> HandoverRecord.Reader.invalid("a client without a socket"));
        Optional<Capabilities> agreed = in.flag() ? Optional.of(Capabilities.parse(in.text())) : Optional.empty();
        Optional<Fd> twin = in.fd();
        byte[] rest = in.bytes();
        List<Fd> restFds = new ArrayList<>();
        for (int left = in.count(); left > 0; left--) {
            in.fd().ifPresent(restFds::add);
        }
        DmaRequests.Habits habits = habits(in);
        List<MapAndFile> maps = new ArrayList<>();
        for (int left = in.count(); left > 0; left--) {
            maps.add(map(in));
        }
        Map<Integer, Irqs> irqs = new TreeMap<>();
        for (int left = in.count(); left > 0; left--) {
            int index = in.number();
            if (irqs.put(index, irqs(in)) != null) {
                throw HandoverRecord.Reader.invalid("interrupt index " + index + " twice");
            }
        }
        return new ClientHandover(
                socket,
                agreed,
                twin,
                rest,
                restFds,
                habits,
                maps,
                irqs,
                new VfioMsixCopy(in.bytes(), BitSet.valueOf(in.bytes())));
    }

    private static void write(HandoverRecord.Writer out, MapAndFile both) {
        ClientMaps.Map map = both.map();
        out.number64(map.iova()).number64(map.size()).number(map.access()).number64(map.offset());
        out.flag(map.byFileIo()).fd(both.file());
    }

    private static MapAndFile map(HandoverRecord.Reader in) {
        long iova = in.number64();
        long size = in.number64();
        int access = in.number();
        long offset = in.number64();
        boolean byFileIo = in.flag();
        Optional<Fd> file = in.sharedFd();
        return new MapAndFile(
                new ClientMaps.Map(iova, size, access, offset, byFileIo, file.isPresent(), Optional.empty()), file);
    }

    private static void write(HandoverRecord.Writer out, Irqs set) {
        out.number(set.triggers().size());
        set.triggers().forEach((vector, fd) -> out.number(vector).fd(Optional.of(fd)));
        out.fd(set.unmask()).bytes(set.masked().toByteArray());
    }

    private static Irqs irqs(HandoverRecord.Reader in) {
        TreeMap<Integer, Fd> triggers = new TreeMap<>();
        for (int left = in.count(); left > 0; left--) {
            int vector = in.number();
            Optional<Fd> fd = in.fd();
            if (fd.isEmpty() || triggers.put(vector, fd.get()) != null) {
                throw HandoverRecord.Reader.invalid("vector " + vector + " without a descriptor, or twice");
            }
        }
        return new Irqs(triggers, in.fd(), BitSet.valueOf(in.bytes()));
    }

    private static DmaRequests.Habits habits(HandoverRecord.Reader in) {
        int layout = in.number();
        int sequence = in.number();
        List<DmaRequests.Owed> owed = new ArrayList<>();
        for (int left = in.count(); left > 0; left--) {
            owed.add(new DmaRequests.Owed(in.number(), in.number()));
        }
        return new DmaRequests.Habits(layout, sequence, owed);
    }
}
