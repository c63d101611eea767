package org.vfio4j.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.vfio4j.nvme.NvmeSpec.ASYNCHRONOUS_EVENT_REQUEST;
import static org.vfio4j.nvme.NvmeSpec.GET_LOG_PAGE;
import static org.vfio4j.nvme.NvmeSpec.SET_FEATURES;

import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.vfio4j.nvme.AdminFixture.Completed;

/** Base 5.2: the Asynchronous Event Request command. */
class AsyncEventsTest {

    private static final int NAMESPACE_CHANGED = 0x04_0002;
    private static final int TOO_WARM = 0x02_0101;
    private static final int INVALID_DOORBELL = 0x01_0000;
    private static final int RETAIN = 1 << 15;

    private final AdminFixture nvme = new AdminFixture();

    @AfterEach
    void close() {
        nvme.close();
    }

    private int request() {
        assertEquals(AdminHandler.HELD, nvme.runRaw(ASYNCHRONOUS_EVENT_REQUEST, 0));
        return nvme.lastCid();
    }

    private void read(int lid, int flags) {
        assertEquals(0, nvme.run(GET_LOG_PAGE, 0, LogPagesTest.page(lid, 64) | flags));
    }

    private void wantAll() {
        nvme.run(SET_FEATURES, 0, 0x0b, 0x1ff);
    }

    @Test
    void refusesMoreRequestsThanIdentifySays() {
        for (int i = 0; i < 16; i++) {
            request();
        }
        assertEquals(
                NvmeStatus.ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED | NvmeStatus.DNR,
                nvme.runRaw(ASYNCHRONOUS_EVENT_REQUEST, 0));
        assertTrue(nvme.controller.completed.isEmpty());
    }

    @Test
    void holdsARequestThatIsCarriedOutAgainOnce() {
        int cid = request();
        nvme.again();
        nvme.admin.asynchronousEvent(AsyncEvents.TYPE_ERROR, 0, 1);
        nvme.run(GET_LOG_PAGE, 0, LogPagesTest.page(1, 64));
        nvme.admin.asynchronousEvent(AsyncEvents.TYPE_ERROR, 0, 1);
        assertEquals(List.of(new Completed(cid, INVALID_DOORBELL, 0)), nvme.controller.completed);
    }

    @Test
    void saysNothingThatTheDriverDoesNotWantToKnow() {
        request();
        nvme.admin.setStorage(1, nvme.first);
        nvme.admin.setTemperature(400);
        nvme.admin.asynchronousEvent(AsyncEvents.TYPE_NOTICE, 1, 3);
        nvme.admin.asynchronousEvent(6, 0, 0);
        nvme.admin.asynchronousEvent(AsyncEvents.TYPE_SMART, 77, 2);
        assertTrue(nvme.controller.completed.isEmpty());
    }

    @Test
    void reportsErrorsAlways() {
        int cid = request();
        nvme.admin.asynchronousEvent(AsyncEvents.TYPE_ERROR, AsyncEvents.ERROR_INVALID_DOORBELL_REGISTER, 1);
        assertEquals(List.of(new Completed(cid, INVALID_DOORBELL, 0)), nvme.controller.completed);
    }

    @Test
    void reportsAnEventThatCameBeforeTheRequest() {
        wantAll();
        nvme.admin.setStorage(1, nvme.first);
        int cid = request();
        assertEquals(List.of(new Completed(cid, NAMESPACE_CHANGED, 0)), nvme.controller.completed);
    }

    @Test
    void masksAnEventsTypeUntilItsPageIsRead() {
        wantAll();
        int first = request();
        int second = request();
        nvme.admin.setStorage(1, nvme.first);
        nvme.admin.setStorage(2, nvme.second);
        assertEquals(List.of(new Completed(first, NAMESPACE_CHANGED, 0)), nvme.controller.completed);
        read(2, 0);
        read(4, RETAIN);
        assertEquals(1, nvme.controller.completed.size());
        // This reading tells of the second change too.
        read(4, 0);
        assertEquals(1, nvme.controller.completed.size());
        nvme.admin.setStorage(2, nvme.second);
        assertEquals(new Completed(second, NAMESPACE_CHANGED, 0), nvme.controller.completed.getLast());
    }

    @Test
    void reportsAnotherTypeMeanwhile() {
        wantAll();
        request();
        int second = request();
        nvme.admin.setStorage(1, nvme.first);
        nvme.admin.setTemperature(400);
        assertEquals(new Completed(second, TOO_WARM, 0), nvme.controller.completed.getLast());
    }

    @Test
    void keepsAnotherKindOfTheSameTypeForLater() {
        request();
        int second = request();
        nvme.admin.asynchronousEvent(AsyncEvents.TYPE_ERROR, 0, 1);
        nvme.admin.asynchronousEvent(AsyncEvents.TYPE_ERROR, 1, 9);
        assertEquals(1, nvme.controller.completed.size());
        read(1, 0);
        assertEquals(new Completed(second, 0x09_0100, 0), nvme.controller.completed.getLast());
    }

    @Test
    void warnsWhenAThresholdIsCrossedAndNotAgainWhileItIs() {
        wantAll();
        request();
        request();
        nvme.run(SET_FEATURES, 0, 0x04, 290);
        assertEquals(TOO_WARM, nvme.controller.completed.getFirst().dw0());
        read(2, 0);
        assertEquals(2, nvme.u8(0), "critical_warning");
        nvme.run(SET_FEATURES, 0, 0x04, 291);
        assertEquals(1, nvme.controller.completed.size());
        nvme.run(SET_FEATURES, 0, 0x04, 340);
        read(2, 0);
        assertEquals(0, nvme.u8(0));
        nvme.run(SET_FEATURES, 0, 0x04, (1 << 20) | 298);
        assertEquals(2, nvme.controller.completed.size());
    }

    @Test
    void wantsTheWarningsThatItIsToldOf() {
        nvme.run(SET_FEATURES, 0, 0x0b, 1);
        request();
        nvme.admin.setTemperature(400);
        assertTrue(nvme.controller.completed.isEmpty());
        nvme.admin.setTemperature(300);
        nvme.run(SET_FEATURES, 0, 0x0b, 2);
        nvme.admin.setTemperature(400);
        assertEquals(1, nvme.controller.completed.size());
    }

    @Test
    void forgetsAllAtReset() {
        wantAll();
        request();
        nvme.admin.setStorage(1, nvme.first);
        nvme.admin.setStorage(1, nvme.first);
        int held = request();
        nvme.admin.controllerReset();
        assertFalse(nvme.admin.abortHeld(held));
        wantAll();
        int cid = request();
        assertEquals(1, nvme.controller.completed.size());
        nvme.admin.setStorage(1, nvme.first);
        assertEquals(cid, nvme.controller.completed.getLast().cid());
    }

    @Test
    void letsGoOfAnAbortedRequest() {
        int cid = request();
        assertTrue(nvme.admin.abortHeld(cid));
        assertFalse(nvme.admin.abortHeld(cid));
        nvme.admin.asynchronousEvent(AsyncEvents.TYPE_ERROR, 0, 1);
        assertTrue(nvme.controller.completed.isEmpty());
    }
}
