package org.vfio4j.i40evf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.vfio4j.avfdriver.AvfDriver.*;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.avfdriver.AvfRegisters;
import org.vfio4j.sys.Errno;
import org.vfio4j.sys.ErrnoException;

/** A function's state, saved and loaded; and a function that moves in the middle of traffic. */
class StateTest {

    private final NetworkLink link = new NetworkLink();
    private final NetworkPort port = link.addPort();
    private final Nic nic = new Nic(port, 1).start();
    private final Nic peer = new Nic(link.addPort(), 2).start();
    private final I40eVf destination = Nic.destination(port);

    @AfterEach
    void close() {
        nic.close();
        destination.function().detachDma();
        destination.close();
        peer.close();
    }

    @Test
    void aFunctionThatIsNotQuiescedIsNeitherSavedNorLoaded() {
        refused(Errno.EBUSY, "not quiesced", nic.vf::save);
        nic.vf.quiesce();
        byte[] state = nic.vf.save();
        refused(Errno.EBUSY, "not quiesced", () -> destination.load(state));
    }

    @Test
    void anotherKindOrVersionIsRefusedWithTheReason() {
        byte[] state = quiescedState();
        byte[] kind = state.clone();
        kind[0] ^= 1;
        refused(Errno.EINVAL, "not the state of an i40e-vf", () -> destination.load(kind));
        byte[] version = state.clone();
        version[8] = 2;
        refused(Errno.EINVAL, "version 2, this one reads 1", () -> destination.load(version));
        try (I40eVf two = I40eVf.builder(link.addPort()).queuePairs(2).build()) {
            two.quiesce();
            refused(Errno.EINVAL, "4 queue pairs, the function has 2", () -> two.load(state));
        }
    }

    @Test
    void aStateThatIsCutOrContinuedIsRefused() {
        byte[] state = quiescedState();
        for (int length = 0; length < state.length; length++) {
            byte[] cut = Arrays.copyOf(state, length);
            assertThatThrownBy(() -> destination.load(cut)).isInstanceOf(ErrnoException.class);
        }
        refused(Errno.EINVAL, "1 bytes behind its end", () -> destination.load(Arrays.copyOf(state, state.length + 1)));
    }

    @Test
    void aRefusedStateChangesNothing() {
        byte[] state = quiescedState();
        byte[] before = destination.save();
        byte[] cut = Arrays.copyOf(state, state.length - 1);
        assertThatThrownBy(() -> destination.load(cut)).isInstanceOf(ErrnoException.class);
        assertThat(destination.save()).isEqualTo(before);
    }

    /** Whatever is in it, a state is refused, or the function that has it works on without a throw. */
    @Test
    void aSpoiltStateIsRefusedOrHarmless() {
        byte[] state = quiescedState();
        Random random = new Random(11);
        Nic.connect(destination.function(), nic.memory, new ArrayList<>());
        for (int i = 0; i < 3000; i++) {
            byte[] spoilt = state.clone();
            for (int j = random.nextInt(3); j >= 0; j--) {
                spoilt[random.nextInt(spoilt.length)] = (byte) random.nextInt();
            }
            destination.quiesce();
            try {
                destination.load(spoilt);
                destination.resume();
                destination.function().barWrite(0, 0, 4, random.nextInt(64));
                destination.function().barWrite(0, ATQT, 4, random.nextInt(64));
            } catch (ErrnoException e) {
                assertThat(e.errno()).isEqualTo(Errno.EINVAL);
            }
        }
        destination.function().reset();
        Nic.enable(destination.function());
        nic.driver.moveTo(AvfRegisters.of(destination.function()));
        nic.open();
        assertThat(nic.driver.request(OP_GET_STATS, select(0, 0)).status()).isEqualTo(SUCCESS);
    }

    @Test
    void aStateLoadedIsTheStateSaved() {
        nic.driver.request(OP_ADD_ETH_ADDR, addresses(new byte[] {2, 7, 7, 7, 7, 7}));
        nic.driver.request(OP_CONFIG_PROMISCUOUS_MODE, ints(VSI | 2 << 16));
        nic.write(DYN_CTLN1, INTENA | 3 << 3);
        nic.write(0xd000, 0x1234);
        byte[] state = quiescedState();
        destination.load(state);
        assertThat(destination.save()).isEqualTo(state);
        assertThat(destination.rings()).isEqualTo(nic.vf.rings());
        assertThat(destination.function().barRead(0, 0xd000, 4)).isEqualTo(0x1234);
        assertThat(destination.function().barRead(0, DYN_CTLN1, 4)).isEqualTo(INTENA | 3 << 3);
    }

    @Test
    void anInterruptThatWasHeldBackIsSentWhereTheDriverEnablesIt() {
        peer.tx.send(peer.frameTo(nic, 60, 1));
        nic.rx.receive();
        List<Integer> messages = new ArrayList<>();
        move(messages);
        assertThat(messages).isEmpty();
        nic.driver.registers().write(DYN_CTLN1, INTENA);
        assertThat(messages).containsExactly(1);
    }

    @Test
    void framesThatHadComeGoWithTheFunction() {
        // Frames that are on the link when their receiver stops: it has no time to take them.
        nic.vf.quiesce();
        nic.vf.resume();
        for (int i = 0; i < 40; i++) {
            peer.tx.send(peer.frameTo(nic, 60, i));
            if (i == 20) {
                move(new ArrayList<>());
            }
        }
        for (int i = 0; i < 40; i++) {
            assertThat(nic.rx.receive()).isEqualTo(peer.frameTo(nic, 60, i));
        }
    }

    @Test
    void aMoveInTheMiddleOfTrafficLosesAndDuplicatesNothing() {
        int frames = 4000;
        I40eVf[] places = {nic.vf, destination};
        int place = 0;
        int sent = 0;
        int answered = 0;
        int atPeer = 0;
        Random random = new Random(5);
        int next = 200;
        while (atPeer < frames || answered < frames) {
            if (sent < frames && sent - answered < Nic.RING - 2 && nic.tx.trySend(nic.frameTo(peer, 64, sent))) {
                sent++;
            }
            // The peer answers each frame with one of the same number.
            if (peer.rx.hasFrame()) {
                assertThat(peer.rx.peek(14)).isEqualTo(atPeer);
                peer.rx.receive();
                assertThat(peer.tx.trySend(peer.frameTo(nic, 64, atPeer))).isTrue();
                atPeer++;
            }
            if (nic.rx.hasFrame()) {
                assertThat(nic.rx.receive()).isEqualTo(peer.frameTo(nic, 64, answered));
                answered++;
            }
            if (sent >= next) {
                next += random.nextInt(200);
                move(places[place], places[1 - place], new ArrayList<>());
                place = 1 - place;
            }
        }
        assertThat(places[place].statistics().rxDiscards()).isZero();
        assertThat(peer.vf.statistics().rxDiscards()).isZero();
        assertThat(peer.vf.statistics().rxPackets()).isEqualTo(frames);
    }

    private void move(List<Integer> messages) {
        move(nic.vf, destination, messages);
    }

    /** Moves the function as a migration does: memory and configuration are the same on both sides. */
    private void move(I40eVf from, I40eVf to, List<Integer> messages) {
        from.quiesce();
        byte[] state = from.save();
        from.function().detachDma();
        to.quiesce();
        Nic.connect(to.function(), nic.memory, messages);
        to.load(state);
        nic.driver.moveTo(AvfRegisters.of(to.function()));
        to.resume();
    }

    private byte[] quiescedState() {
        nic.vf.quiesce();
        destination.quiesce();
        return nic.vf.save();
    }

    private static void refused(int errno, String reason, Runnable action) {
        assertThatThrownBy(action::run).isInstanceOfSatisfying(ErrnoException.class, e -> {
            assertThat(e.errno()).isEqualTo(errno);
            assertThat(e).hasMessageContaining(reason);
        });
    }
}
