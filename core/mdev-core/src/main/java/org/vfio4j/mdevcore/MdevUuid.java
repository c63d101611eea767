package org.vfio4j.mdevcore;

import static org.vfio4j.sys.Errno.EINVAL;

import java.util.UUID;
import java.util.regex.Pattern;
import org.vfio4j.sys.ErrnoException;

/** The text by which an mdev is created, as the kernel's {@code create} files take it. */
public final class MdevUuid {

    private static final int LENGTH = 36;
    private static final Pattern FORM =
            Pattern.compile("[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}");

    private MdevUuid() {}

    /**
     * @param text 36 characters, in either case; a line's end may follow
     * @throws ErrnoException EINVAL for another length or another form
     */
    public static UUID parse(String text) {
        int length = text.length();
        if (length != LENGTH && !(length == LENGTH + 1 && text.endsWith("\n"))) {
            throw new ErrnoException(EINVAL, "mdev uuid of " + length + " characters: " + LENGTH + " are needed");
        }
        String uuid = text.substring(0, LENGTH);
        if (!FORM.matcher(uuid).matches()) {
            throw new ErrnoException(EINVAL, "mdev uuid '" + uuid + "': the form is 8-4-4-4-12 hexadecimal digits");
        }
        return UUID.fromString(uuid);
    }
}
