package interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.netflix.hystrix.HystrixCircuitBreaker;
import com.netflix.hystrix.HystrixCommandGroupKey;
import com.netflix.hystrix.HystrixCommandKey;
import com.netflix.hystrix.HystrixCommandMetrics;
import com.netflix.hystrix.HystrixCommandProperties;
import com.netflix.hystrix.HystrixCommandProperties.ExecutionIsolationStrategy;
import com.netflix.hystrix.HystrixEventType;
import com.netflix.hystrix.HystrixObservableCommand;
import com.netflix.hystrix.exception.HystrixBadRequestException;
import com.netflix.hystrix.exception.HystrixTimeoutException;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import rx.Observable;
import rx.plugins.RxJavaHooks;
import rx.schedulers.TestScheduler;
import rx.subjects.PublishSubject;

/**
 * Hystrix 1.5.18: whole commands whose answers are ours to give, each a call of one command key.
 *
 * <p>Their isolation is a semaphore that is never full, so that all runs in one thread; their timeout is off, and the
 * error of a timeout comes when the trace has it.
 */
public final class HystrixCommands implements Product {
    private static final HystrixCommandGroupKey GROUP = HystrixCommandGroupKey.Factory.asKey("interop");
    private long keys;

    @Override
    public Circuit circuit(JsonNode settings) {
        TestScheduler scheduler = clock();
        HystrixCommandKey key = HystrixCommandKey.Factory.asKey("command-" + keys++);
        return new Commands(scheduler, key, properties(settings));
    }

    /** A new clock that stands at zero, for the library's ticks and for what it takes for the time. */
    static TestScheduler clock() {
        var scheduler = new TestScheduler();
        RxJavaHooks.setOnComputationScheduler(ignored -> scheduler);
        Time.now = scheduler::now;
        return scheduler;
    }

    static HystrixCommandProperties.Setter properties(JsonNode settings) {
        var properties = HystrixCommandProperties.Setter()
            .withExecutionIsolationStrategy(ExecutionIsolationStrategy.SEMAPHORE)
            .withExecutionIsolationSemaphoreMaxConcurrentRequests(Integer.MAX_VALUE)
            .withFallbackIsolationSemaphoreMaxConcurrentRequests(Integer.MAX_VALUE)
            .withExecutionTimeoutEnabled(false)
            .withRequestLogEnabled(false);
        settings.get("circuit_breaker").properties().forEach(setting -> {
            JsonNode value = setting.getValue();
            switch (setting.getKey()) {
                case "enabled" -> properties.withCircuitBreakerEnabled(value.booleanValue());
                case "request_volume_threshold" ->
                    properties.withCircuitBreakerRequestVolumeThreshold(value.intValue());
                case "sleep_window_in_milliseconds" ->
                    properties.withCircuitBreakerSleepWindowInMilliseconds((int) Product.millis(value));
                case "error_threshold_percentage" ->
                    properties.withCircuitBreakerErrorThresholdPercentage(value.intValue());
                case "force_open" -> properties.withCircuitBreakerForceOpen(value.booleanValue());
                case "force_closed" -> properties.withCircuitBreakerForceClosed(value.booleanValue());
                default -> throw new IllegalArgumentException(setting.getKey());
            }
        });
        JsonNode metrics = settings.get("metrics");
        return properties
            .withMetricsRollingStatisticalWindowInMilliseconds(
                (int) Product.millis(metrics.at("/rolling_stats/time_in_milliseconds")))
            .withMetricsRollingStatisticalWindowBuckets(metrics.at("/rolling_stats/num_buckets").asInt())
            .withMetricsHealthSnapshotIntervalInMilliseconds(
                (int) Product.millis(metrics.at("/health_snapshot/interval_in_milliseconds")));
    }

    /** The numbers that {@code hystrix.stream} shows, under its names. */
    static Map<String, Object> counters(HystrixCommandMetrics metrics) {
        HystrixCommandMetrics.HealthCounts health = metrics.getHealthCounts();
        return Driver.answer(
            "requestCount", health.getTotalRequests(),
            "errorCount", health.getErrorCount(),
            "errorPercentage", health.getErrorPercentage(),
            "rollingCountSuccess", metrics.getRollingCount(HystrixEventType.SUCCESS),
            "rollingCountFailure", metrics.getRollingCount(HystrixEventType.FAILURE),
            "rollingCountTimeout", metrics.getRollingCount(HystrixEventType.TIMEOUT),
            "rollingCountBadRequests", metrics.getRollingCount(HystrixEventType.BAD_REQUEST),
            "rollingCountShortCircuited", metrics.getRollingCount(HystrixEventType.SHORT_CIRCUITED));
    }

    static Object field(Object object, String name) {
        try {
            var field = object.getClass().getDeclaredField(name);
            field.setAccessible(true);
            return field.get(object);
        } catch (ReflectiveOperationException error) {
            throw new IllegalStateException(error);
        }
    }

    private static final class Commands implements Circuit {
        private final TestScheduler scheduler;
        private final HystrixObservableCommand.Setter setter;
        private final HystrixCommandKey key;
        private final boolean enabled;
        private final Map<Long, PublishSubject<String>> running = new HashMap<>();

        Commands(TestScheduler scheduler, HystrixCommandKey key, HystrixCommandProperties.Setter properties) {
            this.scheduler = scheduler;
            this.key = key;
            enabled = !Boolean.FALSE.equals(properties.getCircuitBreakerEnabled());
            setter = HystrixObservableCommand.Setter.withGroupKey(GROUP).andCommandKey(key)
                .andCommandPropertiesDefaults(properties);
            // The first command of a key makes its circuit and metrics, whether it runs or not.
            new Command(0);
            // Rolling counts are kept from when somebody first asks for them.
            counters();
        }

        private final class Command extends HystrixObservableCommand<String> {
            private final long id;

            Command(long id) {
                super(setter);
                this.id = id;
            }

            @Override
            protected Observable<String> construct() {
                PublishSubject<String> answer = PublishSubject.create();
                running.put(id, answer);
                return answer;
            }
        }

        @Override
        public void advance(long t) {
            scheduler.advanceTimeTo(t, TimeUnit.MILLISECONDS);
        }

        @Override
        public boolean enter(long id) {
            new Command(id).toObservable().subscribe(answer -> { }, error -> { });
            return running.containsKey(id);
        }

        @Override
        public void end(long id, String outcome, long duration) {
            PublishSubject<String> answer = running.remove(id);
            switch (outcome) {
                case "ok" -> {
                    answer.onNext("answer");
                    answer.onCompleted();
                }
                case "fail" -> answer.onError(new IllegalStateException("fail"));
                case "timeout" -> answer.onError(new HystrixTimeoutException());
                default -> answer.onError(new HystrixBadRequestException("ignored"));
            }
        }

        @Override
        public String state() {
            // `isOpen` would open it; a circuit that is switched off is never open.
            boolean open = enabled
                && ((AtomicBoolean) field(HystrixCircuitBreaker.Factory.getInstance(key), "circuitOpen")).get();
            return open ? "open" : "closed";
        }

        @Override
        public Map<String, Object> counters() {
            return HystrixCommands.counters(HystrixCommandMetrics.getInstance(key));
        }
    }
}
