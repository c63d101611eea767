package org.vfio4j.i40evfiopci;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.vfio4j.avfdriver.AvfDriver;
import org.vfio4j.i40evf.NetworkLink;
import org.vfio4j.testkit.GuestMemory;

/** Every page that the function writes is reported, whether the function itself tells (V2) or its tail registers are trapped (V1). */
class DirtyPagesTest {

    private static final int PAGE = 4096;
    private static final int FRAMES = 30;

    private final NetworkLink link = new NetworkLink();
    private Host host;
    private Vm vm;
    private Vm peer;

    private void start(I40eMigration generation) {
        host = new Host(generation);
        vm = new Vm(host.serve(link.addPort(), "02:00:00:00:00:01"), 1);
        peer = new Vm(host.serve(link.addPort(), "02:00:00:00:00:02"), 2);
    }

    @AfterEach
    void close() {
        vm.close();
        peer.close();
        host.close();
    }

    @ParameterizedTest
    @EnumSource
    void whatIsWrittenAfterLoggingBeganIsReported(I40eMigration generation) {
        start(generation);
        vm.startLogging();
        byte[] copy = copy();
        send(0);
        assertReported(copy);
    }

    /** Into buffers that were posted while the log runs: by trapped registers, in V1. */
    @ParameterizedTest
    @EnumSource
    void whatIsPostedWhileLoggingIsReportedToo(I40eMigration generation) {
        start(generation);
        vm.startLogging();
        for (int round = 0; round < 5; round++) {
            send(round * FRAMES);
            for (int i = 0; i < FRAMES; i++) {
                assertThat(Vm.number(vm.rx.receive())).isEqualTo(round * FRAMES + i);
            }
            vm.dirtyPages();
            byte[] copy = copy();
            send(1000);
            assertReported(copy);
            for (int i = 0; i < FRAMES; i++) {
                vm.rx.receive();
            }
        }
    }

    /** Its buffers are posted before it starts, and used before anybody looks at them. */
    @ParameterizedTest
    @EnumSource
    void whatAQueueWritesThatStartsWhileLoggingIsReported(I40eMigration generation) {
        start(generation);
        vm.startLogging();
        vm.dirtyPages();
        vm.restart();
        byte[] copy = copy();
        send(0);
        assertReported(copy);
        for (int i = 0; i < FRAMES; i++) {
            assertThat(Vm.number(vm.rx.receive())).isEqualTo(i);
        }
        vm.dirtyPages();
        assertThat(vm.dirtyPages()).hasSizeLessThan((int) (vm.memory.halfBytes() / PAGE / 4));
    }

    @ParameterizedTest
    @EnumSource
    void whatIsPostedByAWideWriteIsReportedToo(I40eMigration generation) {
        start(generation);
        vm.startLogging();
        send(0);
        for (int i = 0; i < FRAMES; i++) {
            vm.rx.drop();
        }
        vm.dirtyPages();
        vm.dirtyPages();
        vm.writeTailWide();
        byte[] copy = copy();
        send(FRAMES);
        assertReported(copy);
    }

    @ParameterizedTest
    @EnumSource
    void sentFramesDirtyTheTransmitRing(I40eMigration generation) {
        start(generation);
        vm.startLogging();
        vm.dirtyPages();
        int ring = (int) ((vm.tx.iova() - GuestMemory.BASE) / PAGE);
        vm.tx.send(vm.frameTo(peer, 1));
        vm.tx.awaitSent();
        assertThat(vm.dirtyPages()).contains(ring);
    }

    @ParameterizedTest
    @EnumSource
    void logsNoMoreThanMayBeWritten(I40eMigration generation) {
        start(generation);
        vm.startLogging();
        send(0);
        assertThat(vm.dirtyPages()).hasSizeLessThan((int) (vm.memory.halfBytes() / PAGE / 4));
    }

    @Test
    void anEventQueueThatCannotBeReadMakesEveryPageDirty() {
        start(I40eMigration.V1);
        vm.startLogging();
        vm.driver.registers().write(AvfDriver.ARQBAH, 0x7fff);
        assertThat(vm.dirtyPages()).hasSize((int) (vm.memory.halfBytes() / PAGE));
    }

    // Sent one by one: the receiver does not take them, and has no more buffers than its ring.
    private void send(int first) {
        int before = vm.rx.arrived();
        for (int i = 0; i < FRAMES; i++) {
            peer.tx.send(peer.frameTo(vm, first + i));
        }
        AvfDriver.await("the frames in the receiver's memory", () -> vm.rx.arrived() == before + FRAMES);
    }

    private byte[] copy() {
        return vm.memory.get(GuestMemory.BASE, (int) vm.memory.halfBytes());
    }

    private void assertReported(byte[] before) {
        byte[] after = copy();
        List<Integer> written = new ArrayList<>();
        for (int page = 0; page < before.length / PAGE; page++) {
            int from = page * PAGE;
            if (!Arrays.equals(before, from, from + PAGE, after, from, from + PAGE)) {
                written.add(page);
            }
        }
        assertThat(written).isNotEmpty();
        assertThat(vm.dirtyPages()).containsAll(written);
    }
}
