package org.vfio4j.userspace.vmm;

/**
 * The other side was told to go on, and has not answered: the guest may run there. It is stopped here, because two must not run on one
 * disk, until who knows better calls {@link MigrationSource#goOn}.
 */
public final class MigrationInDoubt extends RuntimeException {

    private static final long serialVersionUID = 1L;

    MigrationInDoubt(Throwable cause) {
        super(
                "the other side was told to go on and has not answered (" + cause.getMessage()
                        + "): the guest is stopped here",
                cause);
    }
}
