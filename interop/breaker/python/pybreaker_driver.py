"""Replays traces against the real PyBreaker under a virtual clock.

A request is one line of JSON on standard input, `{"trace": PATH, "settings": {...}}`; the answer is one line for each call
and a last one with the state and the counters, as `madang breaker simulate --json` prints them. Settings have PyBreaker's
own names, and durations with a unit.
"""

import datetime
import json
import sys

import pybreaker
import time_machine

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


class Fail(Exception):
    pass


class Timeout(Exception):
    pass


class Ignored(Exception):
    pass


ERRORS = {"fail": Fail, "timeout": Timeout, "ignored": Ignored}


def seconds(duration):
    assert duration.endswith("ms"), duration
    return int(duration[:-2]) / 1000


def breaker_of(settings):
    options = dict(settings)
    if "reset_timeout" in options:
        options["reset_timeout"] = seconds(options["reset_timeout"])
    options["exclude"] = [ERRORS[name] for name in options.get("exclude", [])]
    return pybreaker.CircuitBreaker(**options)


def enter(breaker):
    block = breaker.calling()
    try:
        block.__enter__()
    except pybreaker.CircuitBreakerError:
        return None
    return block


def leave(block, outcome):
    if outcome == "ok":
        block.__exit__(None, None, None)
        return
    error = ERRORS[outcome]()
    try:
        block.__exit__(type(error), error, None)
    except pybreaker.CircuitBreakerError:
        pass  # this failure opened the circuit
    except tuple(ERRORS.values()):
        pass


def replay(trace, settings, clock):
    """Yields the answers."""
    clock.move_to(START, tick=False)
    breaker = breaker_of(settings)
    # Blocks that never end stay here to the last line: collecting one counts as a failure.
    blocks = {}
    now = 0
    for line in trace:
        event = json.loads(line)
        now = event["t"]
        clock.move_to(START + datetime.timedelta(milliseconds=now), tick=False)
        if event["ev"] == "end":
            block = blocks.pop(event["id"], None)
            if block is not None:
                leave(block, event["outcome"])
            continue
        block = enter(breaker)
        if block is not None:
            blocks[event["id"]] = block
        yield {"t": now, "id": event["id"], "admitted": block is not None, "state": state(breaker)}
    counters = {"fail_counter": breaker.fail_counter, "success_counter": breaker.success_counter}
    yield {"t": now, "final": True, "state": state(breaker), "counters": counters}


def state(breaker):
    return breaker.current_state.replace("-", "_")


# What blocks that never ended say when they are collected, after the last line.
sys.unraisablehook = lambda unraisable: None

with time_machine.travel(START, tick=False) as clock:
    for request in sys.stdin:
        request = json.loads(request)
        with open(request["trace"]) as trace:
            answers = [json.dumps(answer) + "\n" for answer in replay(trace, request["settings"], clock)]
        sys.stdout.write("".join(answers))
        sys.stdout.flush()
