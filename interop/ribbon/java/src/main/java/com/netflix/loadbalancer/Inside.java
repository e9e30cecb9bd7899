package com.netflix.loadbalancer;

import java.lang.reflect.Field;

/** What Ribbon keeps to itself: a step of the weights without their timer, and the clock's readings. */
public final class Inside {
    private Inside() {}

    /** Stops the timer of the weights. What it has begun is waited for. */
    public static void stopTimer(WeightedResponseTimeRule rule) {
        rule.serverWeightTimer.cancel();
        while (rule.serverWeightAssignmentInProgress.get()) {
            Thread.onSpinWait();
        }
    }

    public static void weigh(WeightedResponseTimeRule rule) {
        rule.new ServerWeight().maintainWeights();
    }

    /** Lets time pass for a server, by dating what happened earlier. */
    public static void advance(ServerStats stats, long millis) throws ReflectiveOperationException {
        for (String name : new String[] {"lastConnectionFailedTimestamp", "lastActiveRequestsCountChangeTimestamp"}) {
            Field field = field(name);
            field.setLong(stats, field.getLong(stats) - millis);
        }
    }

    public static boolean isTrippedAfter(ServerStats stats, long millis) throws ReflectiveOperationException {
        return stats.isCircuitBreakerTripped(field("lastConnectionFailedTimestamp").getLong(stats) + millis);
    }

    public static int activeAfter(ServerStats stats, long millis) throws ReflectiveOperationException {
        return stats.getActiveRequestsCount(field("lastActiveRequestsCountChangeTimestamp").getLong(stats) + millis);
    }

    private static Field field(String name) throws ReflectiveOperationException {
        Field field = ServerStats.class.getDeclaredField(name);
        field.setAccessible(true);
        return field;
    }
}
