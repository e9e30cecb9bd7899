package io.github.resilience4j.circuitbreaker.internal;

import interop.Timers;
import java.util.concurrent.ScheduledExecutorService;

/** Stands before the library's own, which nobody can replace otherwise: its timers follow the virtual clock. */
public class SchedulerFactory {
    private static final SchedulerFactory INSTANCE = new SchedulerFactory();

    public static SchedulerFactory getInstance() {
        return INSTANCE;
    }

    public ScheduledExecutorService getScheduler() {
        return Timers.executor();
    }
}
