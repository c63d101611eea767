package org.vfio4j.vfiopcifacts;

/** Hexadecimal numbers without a sign or a prefix. Stateless. */
final class Hex {

    private Hex() {}

    /** The number, or -1 when {@code text} is not one of exactly {@code digits} ASCII digits. */
    static int parse(String text, int digits) {
        if (text.length() != digits) {
            return -1;
        }
        int value = 0;
        for (int i = 0; i < digits; i++) {
            char c = text.charAt(i);
            int digit = c < 0x80 ? Character.digit(c, 16) : -1;
            if (digit < 0) {
                return -1;
            }
            value = value << 4 | digit;
        }
        return value;
    }
}
