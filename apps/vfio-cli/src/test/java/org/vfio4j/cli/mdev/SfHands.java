package org.vfio4j.cli.mdev;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.stream.IntStream;
import org.vfio4j.cli.TestJvm;
import org.vfio4j.cli.control.MdevRequest;
import tools.jackson.databind.JsonNode;

/**
 * A process that makes and removes mdevs at random, for others to do the same meanwhile: by requests, or by writing in the tree as scripts do.
 * Refusals are what is to be expected; an answer that is neither that nor what was asked for ends it with exit code 1.
 */
final class SfHands {

    private static final List<String> TYPES = List.of("virtio_blk_small", "nvme_small");

    /** What a request may be refused with here: EEXIST, EUSERS, ENODEV, EAGAIN, EBUSY. */
    private static final List<String> REFUSALS = List.of("EEXIST", "EUSERS", "ENODEV", "EAGAIN", "EBUSY");

    private SfHands() {}

    /** @param number its own: even ones ask, odd ones write */
    static Process start(Path directory, Path control, Path top, int number, int turns, int uuids) throws IOException {
        List<String> command = TestJvm.command(SfHands.class);
        command.addAll(List.of(control.toString(), top.toString()));
        IntStream.of(number, turns, uuids).mapToObj(Integer::toString).forEach(command::add);
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(directory.resolve("hands-" + number).toFile());
        return builder.start();
    }

    public static void main(String[] args) {
        Path control = Path.of(args[0]);
        Path top = Path.of(args[1]);
        int number = Integer.parseInt(args[2]);
        Random random = new Random(number);
        int made = 0;
        int refused = 0;
        for (int i = Integer.parseInt(args[3]); i > 0; i--) {
            String uuid = new UUID(2, random.nextInt(Integer.parseInt(args[4]))).toString();
            String type = TYPES.get(random.nextInt(TYPES.size()));
            boolean creates = random.nextBoolean();
            boolean done = number % 2 == 0
                    ? ask(control, creates, uuid, type)
                    : write(top, creates, uuid, "mlx5_core-" + type);
            made += creates && done ? 1 : 0;
            refused += done ? 0 : 1;
        }
        System.out.println("made " + made + ", refused " + refused);
    }

    private static boolean ask(Path control, boolean creates, String uuid, String type) {
        MdevRequest request = creates
                ? new MdevRequest(MdevRequest.START, uuid, SfServer.PARENT, "mlx5_core-" + type, "", List.of(), 0)
                : MdevRequest.stop(uuid, 10_000);
        JsonNode item = SfServer.ask(control, request);
        String message = item.path("message").asString("");
        if (message.isEmpty() == item.path("uuid").asString("").isEmpty()
                || !(message.isEmpty() || REFUSALS.stream().anyMatch(message::contains))) {
            System.out.println(request.line() + " " + item);
            System.exit(1);
        }
        return message.isEmpty();
    }

    private static boolean write(Path top, boolean creates, String uuid, String type) {
        Path file = creates
                ? top.resolve("class/mdev_bus/" + SfServer.PARENT + "/mdev_supported_types/" + type + "/create")
                : top.resolve("bus/mdev/devices/" + uuid + "/remove");
        try {
            Files.writeString(file, creates ? uuid : "1");
            return true;
        } catch (IOException e) {
            return false;
        }
    }
}
