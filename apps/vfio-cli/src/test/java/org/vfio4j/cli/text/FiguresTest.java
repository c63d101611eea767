package org.vfio4j.cli.text;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** Three digits and a unit. */
class FiguresTest {

    @Test
    void countsHaveThreeDigits() {
        assertThat(Figures.count(0)).isEqualTo("0");
        assertThat(Figures.count(999)).isEqualTo("999");
        assertThat(Figures.count(999.6)).isEqualTo("1.00k");
        assertThat(Figures.count(12_345)).isEqualTo("12.3k");
        assertThat(Figures.count(99_950)).isEqualTo("100k");
        assertThat(Figures.count(1_210_000)).isEqualTo("1.21M");
        assertThat(Figures.count(5e18)).isEqualTo("5000000T");
    }

    @Test
    void bytesAndDurationsHaveUnits() {
        assertThat(Figures.bytes(512)).isEqualTo("512 B");
        assertThat(Figures.bytes(1_690_000_000)).isEqualTo("1.69 GB");
        assertThat(Figures.duration(950)).isEqualTo("950ns");
        assertThat(Figures.duration(7_204)).isEqualTo("7.20us");
        assertThat(Figures.duration(12_100_000)).isEqualTo("12.1ms");
        assertThat(Figures.duration(4e12)).isEqualTo("4000s");
        assertThat(Figures.percent(0.874)).isEqualTo("87%");
        assertThat(Figures.decimal(31.94)).isEqualTo("31.9");
        assertThat(Figures.decimal(0.5)).isEqualTo("0.50");
    }
}
