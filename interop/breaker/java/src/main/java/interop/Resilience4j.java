package interop;

import com.fasterxml.jackson.databind.JsonNode;
import io.github.resilience4j.circuitbreaker.CallNotPermittedException;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreaker.State;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowSynchronizationStrategy;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import io.github.resilience4j.core.IntervalFunction;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** resilience4j, configured as its Spring properties configure it. */
public final class Resilience4j implements Product {
    private static final class Fail extends Exception {
    }

    private static final class Timeout extends Exception {
    }

    private static final class Ignored extends Exception {
    }

    private static final Map<String, Class<? extends Exception>> ERRORS =
        Map.of("fail", Fail.class, "timeout", Timeout.class, "ignored", Ignored.class);

    private static final Clock CLOCK = new Clock() {
        @Override
        public Instant instant() {
            return Instant.ofEpochMilli(Time.currentTimeMillis());
        }

        @Override
        public ZoneId getZone() {
            return ZoneOffset.UTC;
        }

        @Override
        public Clock withZone(ZoneId zone) {
            return this;
        }
    };

    @Override
    public Circuit circuit(JsonNode settings) {
        Timers.reset();
        return new Breaker(CircuitBreaker.of("breaker", config(settings)));
    }

    private static CircuitBreakerConfig config(JsonNode settings) {
        var config = CircuitBreakerConfig.custom().clock(CLOCK);
        settings.properties().forEach(setting -> {
            JsonNode value = setting.getValue();
            switch (setting.getKey()) {
                case "failure_rate_threshold" -> config.failureRateThreshold(value.floatValue());
                case "slow_call_rate_threshold" -> config.slowCallRateThreshold(value.floatValue());
                case "slow_call_duration_threshold" -> config.slowCallDurationThreshold(duration(value));
                case "sliding_window_type" -> config.slidingWindowType(SlidingWindowType.valueOf(value.asText()));
                case "sliding_window_size" -> config.slidingWindowSize(value.intValue());
                case "sliding_window_synchronization_strategy" -> config.slidingWindowSynchronizationStrategy(
                    SlidingWindowSynchronizationStrategy.valueOf(value.asText()));
                case "minimum_number_of_calls" -> config.minimumNumberOfCalls(value.intValue());
                case "permitted_number_of_calls_in_half_open_state" ->
                    config.permittedNumberOfCallsInHalfOpenState(value.intValue());
                case "max_wait_duration_in_half_open_state" -> config.maxWaitDurationInHalfOpenState(duration(value));
                case "transition_to_state_after_wait_duration" ->
                    config.transitionToStateAfterWaitDuration(State.valueOf(value.asText()));
                case "automatic_transition_from_open_to_half_open_enabled" ->
                    config.automaticTransitionFromOpenToHalfOpenEnabled(value.booleanValue());
                case "initial_state" -> config.initialState(State.valueOf(value.asText()));
                case "record_exceptions" -> config.recordExceptions(errors(value));
                case "ignore_exceptions" -> config.ignoreExceptions(errors(value));
                case "ignore_exceptions_precedence_enabled" ->
                    config.ignoreExceptionsPrecedenceEnabled(value.booleanValue());
                case "wait_duration_in_open_state", "enable_exponential_backoff", "exponential_backoff_multiplier",
                    "exponential_max_wait_duration_in_open_state" -> { }
                default -> throw new IllegalArgumentException(setting.getKey());
            }
        });
        return config.waitIntervalFunctionInOpenState(interval(settings)).build();
    }

    private static IntervalFunction interval(JsonNode settings) {
        Duration wait = duration(settings.get("wait_duration_in_open_state"));
        if (!settings.path("enable_exponential_backoff").asBoolean()) {
            return IntervalFunction.of(wait);
        }
        double multiplier = settings.get("exponential_backoff_multiplier").asDouble();
        JsonNode longest = settings.get("exponential_max_wait_duration_in_open_state");
        return longest == null
            ? IntervalFunction.ofExponentialBackoff(wait, multiplier)
            : IntervalFunction.ofExponentialBackoff(wait, multiplier, duration(longest));
    }

    private static Duration duration(JsonNode value) {
        return Duration.ofMillis(Product.millis(value));
    }

    @SuppressWarnings("unchecked")
    private static Class<? extends Throwable>[] errors(JsonNode names) {
        List<Class<? extends Exception>> errors = new ArrayList<>();
        names.forEach(name -> errors.add(ERRORS.get(name.asText())));
        return errors.toArray(new Class[0]);
    }

    private record Breaker(CircuitBreaker breaker) implements Circuit {
        @Override
        public void advance(long t) {
            Timers.advance(t);
        }

        @Override
        public boolean enter(long id) {
            try {
                breaker.acquirePermission();
                return true;
            } catch (CallNotPermittedException error) {
                return false;
            }
        }

        @Override
        public void end(long id, String outcome, long duration) {
            try {
                switch (outcome) {
                    case "ok" -> breaker.onResult(duration, TimeUnit.MILLISECONDS, "result");
                    case "fail" -> breaker.onError(duration, TimeUnit.MILLISECONDS, new Fail());
                    case "timeout" -> breaker.onError(duration, TimeUnit.MILLISECONDS, new Timeout());
                    default -> breaker.onError(duration, TimeUnit.MILLISECONDS, new Ignored());
                }
            } catch (NullPointerException error) {
                // A lock-free window of one result; the caller gets it and calls on.
            }
        }

        @Override
        public String state() {
            return breaker.getState().name().toLowerCase(Locale.ROOT);
        }

        @Override
        public Map<String, Object> counters() {
            CircuitBreaker.Metrics metrics = breaker.getMetrics();
            return Driver.answer(
                "failureRate", metrics.getFailureRate(),
                "slowCallRate", metrics.getSlowCallRate(),
                "numberOfBufferedCalls", metrics.getNumberOfBufferedCalls(),
                "numberOfSuccessfulCalls", metrics.getNumberOfSuccessfulCalls(),
                "numberOfFailedCalls", metrics.getNumberOfFailedCalls(),
                "numberOfSlowCalls", metrics.getNumberOfSlowCalls(),
                "numberOfSlowSuccessfulCalls", metrics.getNumberOfSlowSuccessfulCalls(),
                "numberOfSlowFailedCalls", metrics.getNumberOfSlowFailedCalls(),
                "numberOfNotPermittedCalls", metrics.getNumberOfNotPermittedCalls());
        }
    }
}
