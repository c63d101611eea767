package org.vfio4j.vfio;

import static org.vfio4j.sys.Errno.EINVAL;

import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;
import org.vfio4j.sys.ErrnoException;

/**
 * What a user says to open a device, as {@code VFIO_GROUP_GET_DEVICE_FD} takes it: a name, and options behind spaces:
 * {@code 0000:04:10.0 vf_token=bd8d9d2b-5a5f-4f5a-a211-f591514ba1f3}.
 *
 * @param name the device's, or that of what it is made of
 * @param vfToken shared by the users of a physical function and its virtual ones
 */
record VfioDeviceName(String name, Optional<UUID> vfToken) {

    private static final String VF_TOKEN = "vf_token=";

    private static final Pattern UUID_SYNTAX =
            Pattern.compile("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}");

    /** @throws ErrnoException EINVAL for an option that is unknown, repeated or no UUID */
    static VfioDeviceName parse(String text) {
        String[] words = text.split(" ");
        Optional<UUID> token = Optional.empty();
        for (int i = 1; i < words.length; i++) {
            String word = words[i];
            if (word.isEmpty()) {
                continue;
            }
            String value = word.startsWith(VF_TOKEN) ? word.substring(VF_TOKEN.length()) : "";
            if (token.isPresent() || !UUID_SYNTAX.matcher(value).matches()) {
                throw new ErrnoException(
                        EINVAL, "open '" + text + "': option '" + word + "', where one vf_token=UUID is possible");
            }
            token = Optional.of(UUID.fromString(value));
        }
        return new VfioDeviceName(words.length == 0 ? "" : words[0], token);
    }
}
