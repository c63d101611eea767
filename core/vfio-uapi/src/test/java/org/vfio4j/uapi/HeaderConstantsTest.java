package org.vfio4j.uapi;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Each constant has the value that the kernel's header gives its name. */
class HeaderConstantsTest {

    // A header may be older than our newest names, but not by much.
    private static final int MOST_UNKNOWN = 20;

    @TempDir
    Path directory;

    @Test
    void ofVfio() throws Exception {
        assertEqualsHeader(Vfio.class, "linux/vfio.h");
    }

    @Test
    void ofTheKernelsVfio() throws Exception {
        assertEqualsHeader(VfioKernel.class, "linux/vfio.h");
    }

    @Test
    void ofRequests() throws Exception {
        Map<String, Integer> ours = new TreeMap<>();
        for (VfioIoctl request : VfioIoctl.values()) {
            ours.put(request.name(), request.number());
        }
        assertEqualsHeader(ours, "linux/vfio.h");
    }

    @Test
    void ofPciRegs() throws Exception {
        assertEqualsHeader(PciRegs.class, "linux/pci_regs.h");
    }

    private void assertEqualsHeader(Class<?> holder, String headerName) throws Exception {
        assertEqualsHeader(CHeader.constants(holder), headerName);
    }

    private void assertEqualsHeader(Map<String, Integer> ours, String headerName) throws Exception {
        CHeader header = CHeader.find(headerName);
        Map<String, String> known = new TreeMap<>();
        Map<String, Integer> expected = new TreeMap<>();
        ours.forEach((name, value) -> {
            if (header.defines(name)) {
                known.put(name, name);
                expected.put(name, value);
            }
        });
        List<String> unknown =
                ours.keySet().stream().filter(name -> !known.containsKey(name)).toList();
        assertThat(unknown).as("names that %s does not have", headerName).hasSizeLessThan(MOST_UNKNOWN);
        assertThat(expected).isEqualTo(header.evaluate(known, directory));
    }
}
