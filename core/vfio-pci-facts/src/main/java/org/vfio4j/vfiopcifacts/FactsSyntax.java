package org.vfio4j.vfiopcifacts;

/** What is wrong with a line, and the limit that it breaks; where it stands is added on the way out. */
final class FactsSyntax extends Exception {

    private static final long serialVersionUID = 1L;

    FactsSyntax(String message) {
        super(message);
    }
}
