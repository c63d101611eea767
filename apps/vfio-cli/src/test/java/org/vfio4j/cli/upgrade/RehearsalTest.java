package org.vfio4j.cli.upgrade;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.vfio4j.cli.CliProcess;
import org.vfio4j.cli.guest.MigrationRehearsal;

/** Rehearsals in a process that serves: no thread of theirs may be one that others wait for at a safepoint while it has no processor. */
class RehearsalTest {

    private static final Path TASKS = Path.of("/proc/self/task");
    /** After the name in parentheses: proc_pid_stat(5) counts it as the 19th field of all. */
    private static final int NICE = 16;

    @TempDir
    private Path directory;

    @Test
    void itsThreadsAreAsImportantAsThoseThatServe() throws Exception {
        assertThat(nicenessDuring(Rehearsal::whileServing))
                .isNotEmpty()
                .containsOnly(niceness(TASKS.resolve(ownPid())));
    }

    @Test
    void whatFilesAndNvmeNeedIsThereAfterwards() {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        CliProcess process = CliProcess.under(
                directory,
                List.of(
                        java,
                        "--enable-native-access=ALL-UNNAMED",
                        "-Xlog:class+load:stdout",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Rehearses.class.getName()));
        assertThat(process.exitCode()).as(process.err()).isZero();
        String before = process.out().substring(0, process.out().indexOf(Rehearses.DONE));
        assertThat(before)
                .containsPattern("[12]$")
                .containsPattern("org.vfio4j.block.(Uring|Sync)Queue ")
                .contains("org.vfio4j.nvme.AdminState ");
    }

    /** In a process of its own. */
    static final class Rehearses {

        static final String DONE = " turns were made";

        private Rehearses() {}

        public static void main(String[] args) {
            System.out.println(Rehearsal.rehearse(2, 0, () -> true) + DONE);
        }
    }

    @Test
    void itEndsWhenNobodyWantsItAnyMore() {
        AtomicInteger asked = new AtomicInteger();
        Rehearsal.whileServing(() -> asked.incrementAndGet() < 3);
        // Once more for what follows the turns, if these have not failed.
        assertThat(asked).hasValueLessThanOrEqualTo(4);
    }

    @Test
    void soAreThoseOfAMigration() throws Exception {
        assertThat(nicenessDuring(MigrationRehearsal::run))
                .isNotEmpty()
                .containsOnly(niceness(TASKS.resolve(ownPid())));
    }

    /** Of the threads that were not there before. */
    private static List<Integer> nicenessDuring(Runnable rehearsal) throws Exception {
        List<Path> before = tasks();
        Thread rehearsing = Thread.ofPlatform().daemon().start(rehearsal);
        List<Integer> seen = new ArrayList<>();
        while (rehearsing.isAlive()) {
            for (Path task : tasks()) {
                if (!before.contains(task)) {
                    addNiceness(task, seen);
                }
            }
            Thread.sleep(1);
        }
        return seen;
    }

    private static void addNiceness(Path task, List<Integer> seen) throws IOException {
        try {
            seen.add(niceness(task));
        } catch (NoSuchFileException e) {
            // It has ended.
        } catch (IOException e) {
            if (!String.valueOf(e.getMessage()).contains("No such process")) {
                throw e;
            }
        }
    }

    private static int niceness(Path task) throws IOException {
        String stat = Files.readString(task.resolve("stat"));
        return Integer.parseInt(stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1)[NICE]);
    }

    private static String ownPid() {
        return Long.toString(ProcessHandle.current().pid());
    }

    private static List<Path> tasks() throws IOException {
        try (var tasks = Files.list(TASKS)) {
            return tasks.toList();
        }
    }
}
