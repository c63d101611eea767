package org.vfio4j.cli.config;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.composer.Composer;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;
import org.snakeyaml.engine.v2.parser.ParserImpl;
import org.snakeyaml.engine.v2.scanner.StreamReader;
import org.vfio4j.cli.device.Setting;
import org.vfio4j.cli.text.CliException;
import org.vfio4j.cli.text.ExitCode;

/**
 * A value in a YAML file and where it stands. Values are read as the file spells them, by those who know what they should be; what is
 * wrong with one is told with file, line and column.
 */
final class YamlValue {

    /** Nobody describes a machine in more; the parser stops there. */
    private static final int MAX_CODE_POINTS = 1 << 20;

    private final String file;
    private final Node node;
    private final String hint;

    private YamlValue(String file, Node node, String hint) {
        this.file = file;
        this.node = node;
        this.hint = hint;
    }

    /**
     * The only document of a file.
     *
     * @param file its name, for messages
     * @param hint what to try when something is wrong with it
     * @throws CliException when it is no YAML, empty, or more than one document
     */
    static YamlValue parse(String file, String text, String hint) {
        LoadSettings settings = LoadSettings.builder()
                .setLabel(file)
                .setUseMarks(true)
                .setCodePointLimit(MAX_CODE_POINTS)
                .build();
        try {
            Optional<Node> found =
                    new Composer(settings, new ParserImpl(settings, new StreamReader(settings, text))).getSingleNode();
            if (found.isEmpty()) {
                throw new CliException(ExitCode.FAILED, file + ":1:1: there is nothing in it", hint);
            }
            return new YamlValue(file, found.get(), hint);
        } catch (MarkedYamlEngineException e) {
            String where = e.getProblemMark().map(mark -> position(file, mark)).orElse(file);
            throw new CliException(ExitCode.FAILED, where + ": " + e.getProblem(), hint);
        } catch (YamlEngineException | StackOverflowError e) {
            // The parser calls itself for what stands in something: deep enough, and no stack is large enough.
            String why = e instanceof StackOverflowError ? "nested too deep" : String.valueOf(e.getMessage());
            throw new CliException(ExitCode.FAILED, file + ": " + why, hint);
        }
    }

    /** As {@code machine.yaml:12:7}. */
    String where() {
        return node.getStartMark().map(mark -> position(file, mark)).orElse(file);
    }

    /** What is wrong with this value. */
    CliException wrong(String what) {
        return wrong(what, hint);
    }

    CliException wrong(String what, String otherHint) {
        return new CliException(ExitCode.FAILED, where() + ": " + what, otherHint);
    }

    /**
     * A mapping with no other keys than these.
     *
     * @throws CliException when it is something else, for a key that is not known or that comes twice
     */
    Map<String, YamlValue> map(List<String> keys) {
        return entries((key, at) -> {
            if (!keys.contains(key)) {
                throw at.wrong("unknown key '" + key + "'", Setting.suggestion(key, keys));
            }
        });
    }

    /** A mapping with any keys, in the order of the file; otherwise as {@link #map(List)}. */
    Map<String, YamlValue> map() {
        return entries((key, at) -> {});
    }

    private Map<String, YamlValue> entries(BiConsumer<String, YamlValue> check) {
        if (!(node instanceof MappingNode mapping)) {
            throw wrong("expected keys and values, not " + kind());
        }
        Map<String, YamlValue> values = new LinkedHashMap<>();
        for (NodeTuple tuple : mapping.getValue()) {
            YamlValue key = new YamlValue(file, tuple.getKeyNode(), hint);
            YamlValue value = new YamlValue(file, tuple.getValueNode(), hint);
            check.accept(key.text(), key);
            if (values.putIfAbsent(key.text(), value) != null) {
                throw key.wrong("'" + key.text() + "' is there twice");
            }
        }
        return values;
    }

    List<YamlValue> list() {
        if (!(node instanceof SequenceNode sequence)) {
            throw wrong("expected a list, not " + kind());
        }
        List<YamlValue> values = new ArrayList<>();
        sequence.getValue().forEach(element -> values.add(new YamlValue(file, element, hint)));
        return values;
    }

    /** A word, a number or a text, as it is spelt; empty for a key without a value. */
    String text() {
        if (!(node instanceof ScalarNode scalar)) {
            throw wrong("expected one value, not " + kind());
        }
        return scalar.getValue();
    }

    /** A text that is not empty. */
    String word(String key) {
        String text = text();
        if (text.isEmpty()) {
            throw wrong(key + " needs a value");
        }
        return text;
    }

    boolean isOn(String key) {
        return switch (text()) {
            case "true" -> true;
            case "false" -> false;
            default -> throw wrong(key + ": '" + text() + "': expected true or false");
        };
    }

    private String kind() {
        return switch (node) {
            case MappingNode mapping -> "keys and values";
            case SequenceNode sequence -> "a list";
            default -> "'" + (node instanceof ScalarNode scalar ? scalar.getValue() : "") + "'";
        };
    }

    private static String position(String file, Mark mark) {
        return file + ":" + (mark.getLine() + 1) + ":" + (mark.getColumn() + 1);
    }
}
