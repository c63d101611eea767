package org.vfio4j.vfiopcicore;

/** What has to happen around an access to one dword of configuration space, beyond what the permission table says. */
interface ConfigHook {

    /** Nothing. */
    ConfigHook NONE = new ConfigHook() {};

    /** A part of the dword is about to be read: brings the virtual copy up to date. */
    default void beforeRead() {}

    /** A part of the dword is about to be written; arguments as for {@link #written}. */
    default void beforeWrite(int offset, int width, int value) {}

    /**
     * A part of the dword has been written, as far as the permission table lets it.
     *
     * @param offset where, a multiple of {@code width}
     * @param width 1, 2 or 4
     * @param value what the user wrote
     */
    default void written(int offset, int width, int value) {}
}
