package org.vfio4j.nvme;

import java.util.List;
import org.vfio4j.block.BlockBackend;

/**
 * The admin commands that need no queues: Identify, log pages, features, namespaces, firmware, asynchronous events. The controller
 * keeps those that create, delete, abort and shadow queues. Called by one thread at a time. Allocates as it likes, but never blocks.
 */
interface AdminHandler {

    /** {@link #execute}: there is no completion now; {@link ControllerHooks#complete} will post it. */
    int HELD = -1;

    /** Before all else, once. */
    void connect(ControllerHooks controller);

    /** The namespaces, for the I/O path. The same object always. */
    Namespaces namespaces();

    /**
     * How many bytes the command moves between its data and the driver: a multiple of 4 up to {@link NvmeLimits#MAX_TRANSFER_BYTES},
     * or 0.
     *
     * @return or a status, negated, for a command that is refused
     */
    int dataBytes(AdminCommand command);

    /** For a command with data: whether these go to the driver, after it was executed. Otherwise they are here before. */
    boolean isToHost(AdminCommand command);

    /**
     * Whether the command changes what I/O commands depend on: then it is carried out with none of them in flight, and with all queue
     * threads quiesced where there are several. It brings no data to the driver.
     */
    boolean stopsQueues(AdminCommand command);

    /**
     * Carries it out.
     *
     * @return a status as in {@link NvmeStatus}, or {@link #HELD}
     */
    int execute(AdminCommand command);

    /**
     * The driver wants a held command aborted.
     *
     * @return whether it was held, and is no longer: the controller completes it
     */
    boolean abortHeld(int cid);

    /** Something happened that an Asynchronous Event Request asks for; Base figure 145. */
    void asynchronousEvent(int type, int information, int logPage);

    /**
     * A command failed: an entry for the Error Information log (Base 5.16.1.2).
     *
     * @param sqid 0 for the admin queue, or -1 for an error that no command has
     * @param lba of I/O commands, else 0
     */
    void failed(int sqid, int cid, int status, int nsid, long lba);

    /**
     * Puts other storage under a namespace, or the same whose size has changed.
     *
     * @throws org.vfio4j.sys.ErrnoException ENODEV when there is no such namespace, EINVAL when the storage is smaller than a block
     */
    void setStorage(int nsid, BlockBackend backend);

    /**
     * Makes a namespace's storage larger.
     *
     * @throws org.vfio4j.sys.ErrnoException ENODEV when there is no such namespace, or as {@link BlockBackend#grow}
     */
    void resize(int nsid, long sizeBytes);

    /** What its namespaces stand on, each storage once. */
    List<BlockBackend> storages();

    /** A controller level reset: held commands are gone, features are as at first. Namespaces stay. */
    void controllerReset();

    /** CC.SHN was written: what the handler keeps in files is written now. */
    void shutdown();

    /** Its state for another such controller: features and held commands; not what Identify says. */
    byte[] save();

    /**
     * Takes over a state that {@link #save} gave.
     *
     * @throws org.vfio4j.sys.ErrnoException EINVAL, saying why, when it is none. Nothing has changed then
     */
    void load(byte[] state);
}
