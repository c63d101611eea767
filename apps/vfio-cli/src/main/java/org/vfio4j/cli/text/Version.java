package org.vfio4j.cli.text;

import java.util.Optional;
import picocli.CommandLine.IVersionProvider;

/** What {@code vfio --version} prints. */
public final class Version implements IVersionProvider {

    @Override
    public String[] getVersion() {
        String version = Optional.ofNullable(Version.class.getModule().getDescriptor())
                .flatMap(descriptor -> descriptor.rawVersion())
                .orElse("(not packaged)");
        return new String[] {"vfio4j " + version + ", Java " + Runtime.version()};
    }
}
