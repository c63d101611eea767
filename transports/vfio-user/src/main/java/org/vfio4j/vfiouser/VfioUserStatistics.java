package org.vfio4j.vfiouser;

/**
 * What a server has done since it began; not exact while it is busy.
 *
 * @param connections clients served
 * @param messages messages received
 * @param errors commands refused and connections broken
 * @param bytesReceived bytes of messages received
 * @param bytesSent bytes of replies sent
 */
public record VfioUserStatistics(long connections, long messages, long errors, long bytesReceived, long bytesSent) {}
