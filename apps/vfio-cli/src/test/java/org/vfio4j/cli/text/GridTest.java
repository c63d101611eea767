package org.vfio4j.cli.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

/** Columns align, and go when there is no room. */
class GridTest {

    private final Grid grid = new Grid(List.of(
            Grid.Column.text("NAME", 0),
            Grid.Column.number("COUNT", 0),
            Grid.Column.text("LESS", 1),
            Grid.Column.number("LEAST", 2)));

    @Test
    void numbersStandAtTheRight() {
        grid.row(List.of("a", "1", "x", "2"));
        grid.row(List.of("longer", "100000", "y", "3"));
        assertThat(grid.toString()).isEqualTo("""
                NAME     COUNT  LESS  LEAST
                a            1  x         2
                longer  100000  y         3
                """);
    }

    @Test
    void theLeastImportantColumnsGoFirst() {
        grid.row(List.of("a", "1", "x", "2"));
        assertThat(grid.lines(24)).containsExactly("NAME  COUNT  LESS  LEAST", "a         1  x         2");
        assertThat(grid.lines(23)).containsExactly("NAME  COUNT  LESS", "a         1  x");
        assertThat(grid.lines(16)).containsExactly("NAME  COUNT", "a         1");
        assertThat(grid.lines(7)).containsExactly("NAME  C", "a");
        assertThat(grid.lines(0)).containsExactly("", "");
    }

    @Test
    void rejectsARowOfAnotherLength() {
        assertThatThrownBy(() -> grid.row(List.of("a"))).isInstanceOf(IllegalArgumentException.class);
    }
}
