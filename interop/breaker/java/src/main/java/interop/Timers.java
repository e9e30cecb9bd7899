package interop;

import java.lang.reflect.Proxy;
import java.util.Comparator;
import java.util.PriorityQueue;
import java.util.concurrent.Delayed;
import java.util.concurrent.FutureTask;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/** Timers that run when the virtual clock is moved past them. */
public final class Timers {
    private static long now;
    private static long added;
    private static final PriorityQueue<Timer> TIMERS =
        new PriorityQueue<>(Comparator.<Timer>comparingLong(timer -> timer.due).thenComparingLong(timer -> timer.order));

    private Timers() {
    }

    static void reset() {
        TIMERS.clear();
        now = 0;
        Time.now = () -> now;
    }

    static void advance(long t) {
        while (!TIMERS.isEmpty() && TIMERS.peek().due <= t) {
            Timer timer = TIMERS.poll();
            now = timer.due;
            timer.run();
        }
        now = t;
    }

    /** An executor of which nobody asks for more than a timer. */
    public static ScheduledExecutorService executor() {
        Class<?>[] type = {ScheduledExecutorService.class};
        return (ScheduledExecutorService) Proxy.newProxyInstance(type[0].getClassLoader(), type, (self, method, given) -> {
            if (!method.getName().equals("schedule") || !(given[0] instanceof Runnable work)) {
                throw new UnsupportedOperationException(method.toString());
            }
            var timer = new Timer(work, now + ((TimeUnit) given[2]).toMillis((long) given[1]));
            TIMERS.add(timer);
            return timer;
        });
    }

    private static final class Timer extends FutureTask<Void> implements ScheduledFuture<Void> {
        final long due;
        final long order = added++;

        Timer(Runnable work, long due) {
            super(work, null);
            this.due = due;
        }

        @Override
        public long getDelay(TimeUnit unit) {
            return unit.convert(due - now, TimeUnit.MILLISECONDS);
        }

        @Override
        public int compareTo(Delayed other) {
            return Long.compare(getDelay(TimeUnit.MILLISECONDS), other.getDelay(TimeUnit.MILLISECONDS));
        }
    }
}
