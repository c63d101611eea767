package org.vfio4j.i40evf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.vfio4j.avfdriver.AvfDriver.*;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.vfio4j.avfdriver.AvfRing;
import org.vfio4j.sys.RawMemory;

/** A driver that puts anything anywhere: the function lives on, and so does its neighbour. */
class HostileRingTest {

    private static final int ROUNDS = 100;
    private static final int[] REGISTERS = {
        0, 4, 0x2000, 0x2004, ATQH, ATQT, ATQLEN, ARQH, ARQT, ARQLEN, DYN_CTL01, DYN_CTLN1, ICR0_ENA1, RSTAT, 0x9000,
        0xfffc
    };

    @Test
    void anythingInRingsRegistersAndMessagesIsSurvived() {
        NetworkLink link = new NetworkLink();
        try (Nic hostile = new Nic(link.addPort(), 1);
                Nic one = new Nic(link.addPort(), 2).start();
                Nic two = new Nic(link.addPort(), 3).start()) {
            Random random = new Random(99);
            for (int round = 0; round < ROUNDS; round++) {
                startAnew(hostile);
                for (int i = 0; i < 20; i++) {
                    attack(hostile, one, random);
                }
                one.tx.send(one.frameTo(two, 60, round));
                assertThat(two.rx.receive()).isEqualTo(one.frameTo(two, 60, round));
                drain(one);
                drain(two);
            }
            startAnew(hostile);
            hostile.tx.send(hostile.frameTo(one, 60, 7));
            assertThat(one.rx.receive()).isEqualTo(hostile.frameTo(one, 60, 7));
        }
    }

    private static void attack(Nic hostile, Nic victim, Random random) {
        switch (random.nextInt(5)) {
            case 0 -> hostile.write(REGISTERS[random.nextInt(REGISTERS.length)], anyInt(random));
            case 1 -> {
                long type = random.nextInt(16) < 12 ? random.nextInt(2) : random.nextInt(16);
                hostile.tx.put(
                        random.nextInt(4) == 0 ? random.nextLong() : hostile.tx.buffer(0),
                        (random.nextLong() & ~0xfL) | type);
                hostile.tx.tell();
            }
            case 2 -> {
                byte[] message = new byte[random.nextInt(200)];
                random.nextBytes(message);
                hostile.driver.prepare(SEND_MSG_TO_PF, random.nextInt(20), message);
                hostile.driver.ring();
            }
            case 3 ->
                RawMemory.putLong(hostile.memory.host(hostile.rx.iova()) + 32L * random.nextInt(32), random.nextLong());
            default -> victim.tx.send(victim.frameTo(hostile, 60 + random.nextInt(1400), 1));
        }
    }

    private static void startAnew(Nic hostile) {
        hostile.function.reset();
        Nic.enable(hostile.function);
        hostile.tx = AvfRing.transmit(hostile.driver, 0, 8, 128);
        hostile.rx = AvfRing.receive(hostile.driver, 0, 32, 1024);
        hostile.start();
    }

    private static int anyInt(Random random) {
        return random.nextBoolean() ? random.nextInt(64) : random.nextInt();
    }

    private static void drain(Nic nic) {
        while (nic.rx.hasFrame()) {
            nic.rx.receive();
        }
    }
}
