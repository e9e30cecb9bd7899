package interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.netflix.hystrix.ExecutionResult;
import com.netflix.hystrix.HystrixCircuitBreaker;
import com.netflix.hystrix.HystrixCommandGroupKey;
import com.netflix.hystrix.HystrixCommandKey;
import com.netflix.hystrix.HystrixCommandMetrics;
import com.netflix.hystrix.HystrixEventType;
import com.netflix.hystrix.HystrixThreadPoolKey;
import com.netflix.hystrix.metric.HystrixThreadEventStream;
import com.netflix.hystrix.strategy.properties.HystrixPropertiesFactory;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import rx.schedulers.TestScheduler;

/**
 * Hystrix 1.5.12, the release with a half-open circuit: the bare circuit breaker beside its metrics.
 *
 * <p>It is compiled against 1.5.18, whose circuit breaker lacks two of the methods; those are called by their names.
 */
public final class HystrixMaster implements Product {
    private static final HystrixCommandGroupKey GROUP = HystrixCommandGroupKey.Factory.asKey("interop");
    private static final HystrixThreadPoolKey POOL = HystrixThreadPoolKey.Factory.asKey("interop");
    private long keys;

    @Override
    public Circuit circuit(JsonNode settings) {
        TestScheduler scheduler = HystrixCommands.clock();
        HystrixCommandKey key = HystrixCommandKey.Factory.asKey("command-" + keys++);
        var properties = HystrixPropertiesFactory.getCommandProperties(key, HystrixCommands.properties(settings));
        HystrixCommandMetrics metrics = HystrixCommandMetrics.getInstance(key, GROUP, properties);
        // A command that has it switched off makes none.
        var breaker = properties.circuitBreakerEnabled().get()
            ? HystrixCircuitBreaker.Factory.getInstance(key, GROUP, properties, metrics) : null;
        // Rolling counts are kept from when somebody first asks for them.
        HystrixCommands.counters(metrics);
        return new Bare(scheduler, key, metrics, breaker);
    }

    private record Bare(
        TestScheduler scheduler, HystrixCommandKey key, HystrixCommandMetrics metrics, HystrixCircuitBreaker breaker
    ) implements Circuit {
        @Override
        public void advance(long t) {
            scheduler.advanceTimeTo(t, TimeUnit.MILLISECONDS);
        }

        @Override
        public boolean enter(long id) {
            boolean admitted = breaker == null || (boolean) call("attemptExecution");
            if (!admitted) {
                done(HystrixEventType.SHORT_CIRCUITED);
            }
            return admitted;
        }

        @Override
        public void end(long id, String outcome, long duration) {
            if (breaker != null) {
                call(outcome.equals("ok") ? "markSuccess" : "markNonSuccess");
            }
            done(switch (outcome) {
                case "ok" -> HystrixEventType.SUCCESS;
                case "fail" -> HystrixEventType.FAILURE;
                case "timeout" -> HystrixEventType.TIMEOUT;
                default -> HystrixEventType.BAD_REQUEST;
            });
        }

        private void done(HystrixEventType event) {
            HystrixThreadEventStream.getInstance().executionDone(ExecutionResult.from(event), key, POOL);
        }

        @Override
        public String state() {
            return breaker == null ? "closed" : HystrixCommands.field(breaker, "status").toString().toLowerCase(Locale.ROOT);
        }

        @Override
        public Map<String, Object> counters() {
            return HystrixCommands.counters(metrics);
        }

        private Object call(String method) {
            try {
                var found = breaker.getClass().getMethod(method);
                found.setAccessible(true);
                return found.invoke(breaker);
            } catch (ReflectiveOperationException error) {
                throw new IllegalStateException(error);
            }
        }
    }
}
