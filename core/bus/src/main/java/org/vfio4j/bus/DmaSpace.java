package org.vfio4j.bus;

/** The memory that a function may master, addressed by IOVA. */
public interface DmaSpace {

    /** Access rights of a translation: the device reads memory. */
    int READ = 1;

    /** Access rights of a translation: the device writes memory. */
    int WRITE = 2;

    /** A new window for one thread, offline at first. The caller closes it. */
    DmaWindow openWindow();
}
