package org.vfio4j.cli.control;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** docs/developers/control.md has a table for each form of requests, with exactly its kinds and its fields. */
class ControlDocumentTest {

    private static final String HEADER = "| request's field | |";
    private static final Pattern QUOTED = Pattern.compile("`([^`]+)`");

    private static final List<RequestForm<?>> FORMS =
            List.of(ControlRequest.FORM, TuneRequest.FORM, SriovRequest.FORM, SnapRequest.FORM, MdevRequest.FORM);

    private record Row(List<String> names, String meaning) {}

    private List<List<Row>> tables = List.of();

    @BeforeEach
    void read() throws IOException {
        tables = tables(Files.readString(root().resolve("docs/developers/control.md")));
    }

    @Test
    void eachFormHasItsTable() {
        assertThat(tables.stream().map(ControlDocumentTest::kinds))
                .containsExactlyInAnyOrderElementsOf(
                        FORMS.stream().map(RequestForm::kinds).toList());
    }

    @Test
    void eachTableHasTheFieldsOfItsForm() {
        for (RequestForm<?> form : FORMS) {
            List<Row> table = tables.stream()
                    .filter(rows -> kinds(rows).equals(form.kinds()))
                    .findFirst()
                    .orElseThrow();
            assertThat(table.stream().flatMap(row -> row.names().stream()))
                    .as("fields of %s", form.kinds())
                    .containsExactlyInAnyOrderElementsOf(form.fieldNames());
        }
    }

    /** What the tables call "as for Unbind" is said there. */
    @Test
    void theLimitOfWaitingIsTheOneThatIsKept() {
        String meaning = row(tables.getFirst(), "timeoutMs").meaning();
        assertThat(meaning).contains("0 to " + Request.MAX_TIMEOUT_MS);
    }

    /** What a field is about is said of kinds that its form has. */
    @Test
    void aRowIsAboutKindsOfItsTable() {
        Pattern about = Pattern.compile("(?:^|; )for ((?:`[^`]+`(?:, | and )?)+)");
        for (List<Row> table : tables) {
            for (Row row : table) {
                about.matcher(row.meaning())
                        .results()
                        .flatMap(found -> QUOTED.matcher(found.group(1)).results())
                        .forEach(kind -> assertThat(kinds(table))
                                .as("what the row of %s is about", row.names())
                                .contains(kind.group(1)));
            }
        }
    }

    private static List<String> kinds(List<Row> table) {
        return QUOTED.matcher(row(table, "kind").meaning())
                .results()
                .map(found -> found.group(1))
                .toList();
    }

    private static Row row(List<Row> table, String name) {
        return table.stream()
                .filter(row -> row.names().contains(name))
                .findFirst()
                .orElseThrow();
    }

    private static List<List<Row>> tables(String text) {
        List<List<Row>> tables = new ArrayList<>();
        Optional<List<Row>> now = Optional.empty();
        for (String line : text.split("\n", -1)) {
            if (line.equals(HEADER)) {
                now = Optional.of(new ArrayList<>());
                tables.add(now.get());
            } else if (!line.startsWith("|")) {
                now = Optional.empty();
            } else if (now.isPresent() && !line.startsWith("| ---")) {
                String[] cells = line.split("\\|", -1);
                now.get()
                        .add(new Row(
                                QUOTED.matcher(cells[1])
                                        .results()
                                        .map(found -> found.group(1))
                                        .toList(),
                                cells[2].strip()));
            }
        }
        return tables;
    }

    private static Path root() {
        return Stream.iterate(Path.of("").toAbsolutePath(), Path::getParent)
                .filter(directory -> Files.exists(directory.resolve("ARCHITECTURE.md")))
                .findFirst()
                .orElseThrow();
    }
}
