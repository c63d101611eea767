package org.vfio4j.cli.text;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.vfio4j.cli.state.ServerDirectory;
import org.vfio4j.cli.state.ServerState;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class JsonWriterTest {

    @Test
    void everyTextComesBackAsItWas() {
        StringBuilder all = new StringBuilder();
        for (char c = 0; c < 0x300; c++) {
            all.append(c);
        }
        String text = all + "\"\\\u2028\ud83d\ude00";
        JsonNode json = JsonMapper.builder()
                .build()
                .readTree(new JsonWriter()
                        .object()
                        .field(text, text)
                        .field("list", List.of(text, ""))
                        .end()
                        .toString());
        assertThat(json.get(text).asString()).isEqualTo(text);
        assertThat(json.get("list").get(0).asString()).isEqualTo(text);
        assertThat(json.get("list").get(1).asString()).isEmpty();
    }

    @Test
    void halfACharacterIsNoReasonToFail() {
        assertThat(new JsonWriter().object().field("path", "/tmp/\udc80").end().toString())
                .isEqualTo("{\"path\":\"/tmp/\\udc80\"}");
    }

    @Test
    void theWholeStateComesBackAsItWas() {
        ServerState.Region region = new ServerState.Region(
                9,
                "region9",
                1L << 40,
                7,
                List.of("type", "sparse-mmap"),
                0x80008086L,
                3,
                List.of(area(0), area(8192)));
        ServerState.Function function = new ServerState.Function(
                "0000:00:01.0",
                "1af4:1042",
                "virtio-blk",
                "1 MiB, \"memory\"",
                "vfio-pci",
                "vfio0",
                "/tmp/s",
                "vfio-pci",
                List.of("best", "vfio-pci"),
                List.of(region, region),
                List.of(new ServerState.Irq(5, "irq5", 1, 9, 0x80008086L, 1)),
                List.of(new ServerState.Feature(1, "migration", List.of("get"))),
                List.of("stop-copy", "p2p"),
                "0000:06:00.0",
                "mlx5_core.vfio_pci.8",
                ServerState.Function.AT_PATH,
                "RUNNING",
                "0000:07:00.0",
                "0000:00:01.0",
                2,
                4);
        ServerState state = new ServerState(
                7,
                "/run/pci",
                List.of("-m", "2G"),
                List.of(function, function),
                List.of(new ServerState.Bridge("0000:06:00.0", "1b36:000c", "root-port", 7, 9, "")),
                List.of(new ServerState.Auxiliary("mlx5_core.vfio_pci.8", "0000:07:00.0", "mlx5", "0000:00:01.0")),
                List.of(new ServerState.Mdev(
                        "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001",
                        "mtty",
                        "mtty-2",
                        "Dual port serial",
                        "vfio3",
                        "/tmp/m",
                        List.of(region),
                        List.of(),
                        List.of(new ServerState.Feature(1, "migration", List.of("get"))),
                        List.of("stop-copy"))));
        JsonWriter json = new JsonWriter();
        state.write(json);
        assertThat(ServerDirectory.parse(json.toString())).isEqualTo(state);
    }

    @Test
    void whatAnOlderProcessDoesNotTellIsEmpty() {
        ServerState old = ServerDirectory.parse("{\"pid\":1,\"functions\":[{\"address\":\"0000:00:01.0\"}]}");
        assertThat(old.sysfs()).isEmpty();
        assertThat(old.qemu()).isEmpty();
        assertThat(old.functions().getFirst().features()).isEmpty();
        assertThat(old.bridges()).isEmpty();
        assertThat(old.auxiliary()).isEmpty();
        assertThat(old.mdevs()).isEmpty();
        assertThat(old.functions().getFirst().parent()).isEmpty();
        assertThat(old.functions().getFirst().where()).isEqualTo("(inherited socket)");
    }

    private static ServerState.Area area(long offset) {
        return new ServerState.Area(offset, 4096);
    }
}
