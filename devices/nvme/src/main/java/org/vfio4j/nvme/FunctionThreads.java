package org.vfio4j.nvme;

/** The queue threads of a function, for its controller. */
final class FunctionThreads implements Controller.Threads {

    private final Nvme nvme;

    FunctionThreads(Nvme nvme) {
        this.nvme = nvme;
    }

    @Override
    public void wake(int lane) {
        nvme.threads().wake(lane);
    }

    @Override
    public void quiesce(Runnable task) {
        nvme.threads().runQuiesced(task);
    }

    @Override
    public void run(Runnable task) {
        nvme.suspension().run(task);
    }
}
