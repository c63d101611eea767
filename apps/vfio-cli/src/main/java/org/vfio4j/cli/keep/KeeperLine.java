package org.vfio4j.cli.keep;

import static org.vfio4j.sys.Errno.ECONNRESET;
import static org.vfio4j.sys.Errno.EINTR;
import static org.vfio4j.sys.Errno.EIO;
import static org.vfio4j.sys.Errno.ETIMEDOUT;

import java.lang.System.Logger.Level;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.vfio4j.cli.socket.FdChannel;
import org.vfio4j.sys.ErrnoException;

/**
 * A server's connection with its keeper. Any thread asks, one question at a time. Once it is watched, a thread of its own hears the answers,
 * and the keeper's end.
 */
final class KeeperLine implements AutoCloseable {

    private static final System.Logger LOG = System.getLogger(KeeperLine.class.getName());

    private final FdChannel channel;
    private final FdChannel asking;
    private volatile boolean watched;
    private volatile boolean ended;
    // An answer did not come in time: the next one might be that.
    private boolean lost;
    private volatile @Nullable CompletableFuture<FdChannel.Packet> awaited;

    /** @param channel owned by this */
    KeeperLine(FdChannel channel) {
        this.channel = channel;
        asking = channel.second();
    }

    /** As {@link #ask(String, List, long)}, of a keeper that answers at once. */
    FdChannel.Packet ask(String question, List<org.vfio4j.sys.Fd> fds) {
        return ask(question, fds, KeeperWords.LIMIT_NS);
    }

    /**
     * Asks, and waits for the answer.
     *
     * @param fds they stay the caller's
     * @return the caller's
     * @throws ErrnoException what the keeper refuses it with; ECONNRESET when it ends the connection instead
     */
    synchronized FdChannel.Packet ask(String question, List<org.vfio4j.sys.Fd> fds, long limitNs) {
        if (lost) {
            throw new ErrnoException(EIO, "ask the keeper, which has not answered before");
        }
        if (!watched) {
            KeeperWords.ask(asking, question, fds);
            return KeeperWords.hear(channel, limitNs);
        }
        CompletableFuture<FdChannel.Packet> answer = new CompletableFuture<>();
        awaited = answer;
        try {
            if (ended) {
                throw gone();
            }
            KeeperWords.ask(asking, question, fds);
            return answer.get(limitNs, TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof ErrnoException refused ? refused : new ErrnoException(EIO, e.toString());
        } catch (TimeoutException e) {
            lost = true;
            throw new ErrnoException(ETIMEDOUT, "the keeper does not answer");
        } catch (InterruptedException e) {
            lost = true;
            Thread.currentThread().interrupt();
            throw new ErrnoException(EINTR, "ask the keeper");
        } finally {
            awaited = null;
        }
    }

    /** Says what has no answer. */
    synchronized void say(String word) {
        KeeperWords.ask(asking, word, List.of());
    }

    /** Hears what the keeper says from now on, in a thread of its own, until its end. */
    void watch(Runnable onEnd) {
        watched = true;
        Thread.ofPlatform().daemon().name("keeper").start(() -> {
            ErrnoException end = hearAll();
            ended = true;
            CompletableFuture<FdChannel.Packet> waiting = awaited;
            if (waiting != null) {
                waiting.completeExceptionally(end);
            }
            onEnd.run();
        });
    }

    boolean isWatched() {
        return watched;
    }

    @Override
    public void close() {
        asking.close();
        // Otherwise the thread has it that hears.
        if (!watched) {
            channel.close();
        }
    }

    private ErrnoException hearAll() {
        while (true) {
            CompletableFuture<FdChannel.Packet> waiting;
            try {
                FdChannel.Packet packet = KeeperWords.hear(channel, Long.MAX_VALUE);
                waiting = awaited;
                if (waiting == null || !waiting.complete(packet)) {
                    packet.close();
                }
            } catch (ErrnoException e) {
                if (e.errno() == ECONNRESET) {
                    return gone();
                }
                waiting = awaited;
                if (waiting == null || !waiting.completeExceptionally(e)) {
                    LOG.log(Level.WARNING, "the keeper: {0}", e.getMessage());
                }
            }
        }
    }

    private static ErrnoException gone() {
        return new ErrnoException(ECONNRESET, "ask the keeper, which has ended the connection");
    }
}
