package org.vfio4j.sys;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CpusTest {

    @Test
    void readsAndWritesListsAsTheKernelDoes() {
        assertThat(Cpus.parse("0,2-5").numbers()).containsExactly(0, 2, 3, 4, 5);
        assertThat(Cpus.parse("7,1-2,2")).hasToString("7,1-2");
        assertThat(Cpus.parse("8191").numbers()).containsExactly(8191);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ",", "1,", "a", "-1", "3-1", "1-2-3", "8192", "0-9999", "99999", " 1"})
    void refusesWhatIsNoList(String list) {
        assertThatThrownBy(() -> Cpus.parse(list))
                .hasMessage(
                        "CPU list '" + list + "': expected numbers below 8192, as in 0,2-5: EINVAL (Invalid argument)");
    }

    @Test
    void movesTheCallingThreadAlone() throws InterruptedException {
        Cpus before = Cpus.allowed();
        Cpus last = new Cpus(List.of(before.numbers().getLast()));
        AtomicReference<Cpus> seen = new AtomicReference<>();
        Thread pinned = Thread.ofPlatform().start(() -> {
            last.pinCallingThread();
            seen.set(Cpus.allowed());
        });
        pinned.join();
        assertThat(seen.get()).isEqualTo(last);
        assertThat(Cpus.allowed()).isEqualTo(before);
    }

    @Test
    void refusesAProcessorThatIsNotThere() {
        Cpus allowed = Cpus.allowed();
        allowed.checkAllowed();
        assertThatThrownBy(() -> Cpus.parse("8191").checkAllowed())
                .hasMessage("CPU 8191, which does not exist or is not allowed to this process: it may use " + allowed
                        + ": EINVAL (Invalid argument)");
        assertThatThrownBy(() -> Cpus.parse("8191").pinCallingThread()).hasMessageContaining("EINVAL");
        Cpus.ANY.checkAllowed();
    }

    @Test
    void sharesProcessorsOutInTurn() {
        Cpus two = Cpus.parse("3,5");
        assertThat(List.of(two.ofThread(0), two.ofThread(1), two.ofThread(2)))
                .extracting(Cpus::toString)
                .containsExactly("3", "5", "3");
        assertThat(Cpus.ANY.ofThread(1).isEmpty()).isTrue();
    }
}
