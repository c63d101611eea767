package org.vfio4j.sysfsfuse;

import static org.vfio4j.sys.Errno.EINVAL;
import static org.vfio4j.sys.Errno.ERANGE;

import org.vfio4j.sys.ErrnoException;

/** Numbers as the kernel reads them from attributes: kstrtoul with base 0. */
final class Numbers {

    private Numbers() {}

    /**
     * Reads one.
     *
     * @throws ErrnoException EINVAL for what is no number, ERANGE above {@code most}
     */
    static int parse(String text, int most) {
        String digits = text.replaceFirst("^\\+", "");
        int radix = 10;
        if (digits.matches("0[xX].*")) {
            digits = digits.substring(2);
            radix = 16;
        } else if (digits.matches("0.+")) {
            radix = 8;
        }
        if (!digits.matches("[0-9a-fA-F]+")) {
            throw new ErrnoException(EINVAL, "'" + text + "' is no number");
        }
        try {
            long value = digits.length() > 11 ? Long.MAX_VALUE : Long.parseLong(digits, radix);
            if (value > most) {
                throw new ErrnoException(ERANGE, "'" + text + "': the most is " + most);
            }
            return (int) value;
        } catch (NumberFormatException e) {
            throw new ErrnoException(EINVAL, "'" + text + "' is no number of base " + radix);
        }
    }
}
