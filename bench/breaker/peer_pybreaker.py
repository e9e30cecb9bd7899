"""PyBreaker's part of the comparison: `pip install pybreaker==1.4.1`, then `python peer_pybreaker.py`."""

from itertools import cycle, islice
from time import perf_counter_ns

from pybreaker import CircuitBreaker, CircuitBreakerError

CALLS = 100_000
ROUNDS = 5


def good():
    pass


def bad():
    raise ValueError


def measured(breaker, functions):
    best = float("inf")
    for _ in range(ROUNDS):
        calls = list(islice(cycle(functions), CALLS))
        started = perf_counter_ns()
        for function in calls:
            try:
                breaker.call(function)
            except (ValueError, CircuitBreakerError):
                pass
        best = min(best, (perf_counter_ns() - started) / CALLS)
    return best


success = measured(CircuitBreaker(fail_max=5), [good])
mixed = measured(CircuitBreaker(fail_max=5), [good, bad])
opened = CircuitBreaker(fail_max=1, reset_timeout=3_600)
opened.open()
print(f"{'pybreaker 1.4.1':42} {success:>10.0f} {2 * mixed - success:>10.0f} {measured(opened, [good]):>10.0f}")
