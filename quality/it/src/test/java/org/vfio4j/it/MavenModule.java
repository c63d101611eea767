package org.vfio4j.it;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.xml.parsers.DocumentBuilderFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;

/** What the pom and the module descriptor of one directory say, and where it is in the tree: {@code core/bus}. */
record MavenModule(Path directory, Document pom, Optional<String> descriptor) {

    private static final Pattern MODULE = Pattern.compile("\\bmodule\\s+([\\w.]+)");
    private static final Pattern REQUIRES =
            Pattern.compile("\\brequires\\s+(?:(?:transitive|static)\\s+)*([\\w.]+)\\s*;");
    private static final Pattern PROVIDES = Pattern.compile("\\bprovides\\s+([\\w.]+)\\s+with\\s+([\\w.,\\s]+);");
    private static final Pattern COMMENT = Pattern.compile("//.*|(?s:/\\*.*?\\*/)");

    /** A service and those that the module offers for it. */
    record Provision(String service, TreeSet<String> providers) {}

    /** Every module that the root pom lists, in its order. */
    static List<MavenModule> all() {
        Path root = SourceTree.root();
        return children(parse(root.resolve("pom.xml")).getDocumentElement(), "modules")
                .flatMap(modules -> children(modules, "module"))
                .map(module -> of(root.resolve(module.getTextContent())))
                .toList();
    }

    private static MavenModule of(Path directory) {
        Path descriptor = directory.resolve("src/main/java/module-info.java");
        Optional<String> text = Files.exists(descriptor)
                ? Optional.of(COMMENT.matcher(SourceTree.read(descriptor)).replaceAll(""))
                : Optional.empty();
        return new MavenModule(directory, parse(directory.resolve("pom.xml")), text);
    }

    /** The name that ARCHITECTURE.md uses for it, too. */
    String artifactId() {
        return children(pom.getDocumentElement(), "artifactId")
                .findFirst()
                .orElseThrow()
                .getTextContent();
    }

    Optional<String> moduleName() {
        return descriptor.map(MODULE::matcher).filter(Matcher::find).map(found -> found.group(1));
    }

    List<String> requires() {
        return descriptor.stream()
                .flatMap(text -> REQUIRES.matcher(text).results())
                .map(found -> found.group(1))
                .toList();
    }

    List<Provision> provides() {
        return descriptor.stream()
                .flatMap(text -> PROVIDES.matcher(text).results())
                .map(found -> new Provision(
                        found.group(1),
                        new TreeSet<>(List.of(found.group(2).strip().split("\\s*,\\s*")))))
                .toList();
    }

    /** {@code group:artifact} of each dependency that its users get as well. */
    List<String> dependencies() {
        return children(pom.getDocumentElement(), "dependencies")
                .flatMap(dependencies -> children(dependencies, "dependency"))
                .filter(dependency -> child(dependency, "scope")
                        .filter(scope -> !scope.equals("compile"))
                        .isEmpty())
                .map(dependency -> child(dependency, "groupId").orElse("") + ":"
                        + child(dependency, "artifactId").orElse(""))
                .toList();
    }

    private static Optional<String> child(Element parent, String name) {
        return children(parent, name).findFirst().map(Element::getTextContent);
    }

    private static Stream<Element> children(Element parent, String name) {
        return Stream.iterate(parent.getFirstChild(), node -> node != null, Node::getNextSibling)
                .filter(Element.class::isInstance)
                .map(Element.class::cast)
                .filter(element -> element.getTagName().equals(name));
    }

    private static Document parse(Path file) {
        try {
            return DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file.toFile());
        } catch (Exception e) {
            throw new IllegalStateException("cannot parse " + file, e);
        }
    }
}
