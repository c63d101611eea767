package org.vfio4j.vfiouser;

/** Something that an {@link EventLoop} watches. The loop's thread calls it. */
interface EventSource {

    /** @param events {@code Epoll} event bits */
    void onEvents(int events);

    /** Looks for work without being told of any: whether there was some. */
    boolean poll();

    /** Gives memory back that a large message has taken: asked for by {@link EventLoop#trimLater}. */
    default void trim() {}
}
