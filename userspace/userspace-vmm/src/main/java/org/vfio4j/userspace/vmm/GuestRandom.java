package org.vfio4j.userspace.vmm;

/** Numbers at random whose whole state is one, so that a guest goes on with them elsewhere: xorshift. Belongs to one thread. */
final class GuestRandom {

    private long state;

    /** @param state not 0 */
    GuestRandom(long state) {
        this.state = state;
    }

    long state() {
        return state;
    }

    /** The next one from 0 to before {@code bound}, scaled without a division. */
    long next(long bound) {
        state ^= state << 13;
        state ^= state >>> 7;
        state ^= state << 17;
        return Math.unsignedMultiplyHigh(state, bound);
    }
}
