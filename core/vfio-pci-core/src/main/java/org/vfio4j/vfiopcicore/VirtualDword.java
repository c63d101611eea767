package org.vfio4j.vfiopcicore;

/**
 * A register that the user may write and the function must not see: virtual, and as the function has it to begin with.
 *
 * @param offset where it is, a multiple of 4
 */
record VirtualDword(int offset) implements ConfigAddition {

    @Override
    public void install(ConfigSpace config, CapabilityList capabilities) {
        config.perms().setDword(offset, PermTable.ALL, PermTable.ALL);
        config.load(offset, Integer.BYTES);
    }
}
