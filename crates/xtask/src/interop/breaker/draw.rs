//! Random settings: small thresholds and short times, so that a trace of some hundred calls sees many changes of state.

use serde_json::{Map, Value, json};

use super::random::Random;

/// Settings under the product's names in snake case; durations are texts in milliseconds.
pub(super) struct Drawn {
    pub(super) settings: Value,
    /// The times, in milliseconds, at whose ends something happens: traces have many events there.
    pub(super) spans: Vec<u64>,
}

/// The same settings as a file that `--settings` takes; a table inside is a dotted key.
pub(super) fn toml(settings: &Value) -> String {
    let mut text = String::new();
    append("", settings, &mut text);
    text
}

fn append(key: &str, value: &Value, text: &mut String) {
    match value {
        Value::Object(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                append(&key, value, text);
            }
        }
        // Numbers, texts, booleans and lists of them are written as in JSON.
        value => *text += &format!("{key} = {value}\n"),
    }
}

const ERRORS: [&str; 3] = ["fail", "timeout", "ignored"];

/// Up to three errors; mostly few, so that others are left to count.
pub(super) fn errors(random: &mut Random) -> Value {
    let chance = random.one_of(&[0, 0, 30, 50]);
    ERRORS.into_iter().filter(|_| random.happens(chance)).collect()
}

fn millis(span: u64) -> Value {
    Value::String(format!("{span}ms"))
}

/// A time that is often round, as people write them, and sometimes not.
pub(super) fn span(random: &mut Random) -> u64 {
    let round = random.one_of(&[20, 50, 100, 200, 250, 500, 1000, 2000, 5000]);
    if random.happens(25) { round + random.below(round) + 1 } else { round }
}

pub(super) fn pybreaker(random: &mut Random) -> Drawn {
    let reset = if random.happens(3) { 0 } else { span(random) };
    let mut settings = Map::new();
    settings.insert("fail_max".into(), random.one_of(&[1, 1, 2, 3, 4, 5, 8]).into());
    settings.insert("reset_timeout".into(), millis(reset));
    if random.happens(70) {
        settings.insert("success_threshold".into(), random.one_of(&[1, 1, 2, 3, 5]).into());
    }
    settings.insert("exclude".into(), errors(random));
    if random.happens(30) {
        settings.insert("throw_new_error_on_trip".into(), random.happens(50).into());
    }
    Drawn { settings: Value::Object(settings), spans: vec![reset] }
}

pub(super) fn opossum(random: &mut Random) -> Drawn {
    let (reset, window) = (span(random), span(random).max(100));
    let buckets = random.one_of(&[1, 2, 3, 4, 5, 7, 10, 10]);
    let mut spans = vec![reset, window, window / buckets];
    let mut settings = json!({
        "reset_timeout": millis(reset),
        "rolling_count_timeout": millis(window),
        "rolling_count_buckets": buckets,
        "error_threshold_percentage": random.one_of(&[0.0, 10.0, 25.0, 33.3, 50.0, 50.0, 66.6, 75.0, 90.0, 100.0]),
        "volume_threshold": random.one_of(&[0, 0, 1, 2, 3, 5, 10]),
        "error_filter": errors(random),
    });
    if random.happens(30) {
        settings["capacity"] = random.one_of(&[1, 1, 2, 3, 4]).into();
    }
    if random.happens(20) {
        settings["allow_warm_up"] = true.into();
    }
    if random.happens(20) {
        let timeout = span(random);
        settings["timeout"] = millis(timeout);
        spans.push(timeout);
    }
    if random.happens(5) {
        settings["enabled"] = false.into();
    }
    if random.happens(10) {
        settings["rolling_percentiles_enabled"] = false.into();
    }
    Drawn { settings, spans }
}

pub(super) fn resilience4j(random: &mut Random) -> Drawn {
    let (wait, slow, stay) = (span(random), span(random), span(random));
    let time_based = random.happens(50);
    let lock_free = random.happens(25);
    // A window of time without a lock has two seconds at least.
    let size = match time_based {
        true => random.one_of(&[1, 1, 2, 3, 5, 10]).max(if lock_free { 2 } else { 1 }),
        false => random.one_of(&[1, 2, 3, 5, 7, 10, 20, 100]),
    };
    let percentages = [0.5, 10.0, 20.0, 25.0, 33.3, 33.333332, 40.0, 50.0, 50.0, 60.0, 66.6, 66.66667, 100.0];
    let mut settings = json!({
        "wait_duration_in_open_state": millis(wait),
        "sliding_window_type": if time_based { "TIME_BASED" } else { "COUNT_BASED" },
        "sliding_window_size": size,
        "minimum_number_of_calls": random.one_of(&[1, 2, 3, 4, 5, 8, 10, 30]),
        "permitted_number_of_calls_in_half_open_state": random.one_of(&[1, 2, 3, 4, 5, 10]),
        "failure_rate_threshold": random.one_of(&percentages),
        "record_exceptions": errors(random),
        "ignore_exceptions": errors(random),
    });
    let mut spans = vec![wait];
    if time_based {
        spans.extend([1000, 1000 * size]);
    }
    if lock_free {
        settings["sliding_window_synchronization_strategy"] = "LOCK_FREE".into();
    }
    if random.happens(60) {
        settings["slow_call_duration_threshold"] = millis(slow);
        settings["slow_call_rate_threshold"] = random.one_of(&percentages).into();
        spans.push(slow);
    }
    if random.happens(40) {
        settings["max_wait_duration_in_half_open_state"] = millis(stay);
        settings["transition_to_state_after_wait_duration"] = random.one_of(&["OPEN", "CLOSED"]).into();
        spans.push(stay);
    }
    if random.happens(40) {
        settings["automatic_transition_from_open_to_half_open_enabled"] = true.into();
    }
    if random.happens(30) {
        settings["enable_exponential_backoff"] = true.into();
        settings["exponential_backoff_multiplier"] = random.one_of(&[1.0, 1.1, 1.5, 1.7, 2.0, 3.0]).into();
        if random.happens(50) {
            settings["exponential_max_wait_duration_in_open_state"] = millis(wait * 3);
        }
    }
    if random.happens(20) {
        let states = ["CLOSED", "OPEN", "HALF_OPEN", "DISABLED", "FORCED_OPEN", "METRICS_ONLY"];
        settings["initial_state"] = random.one_of(&states).into();
    }
    if random.happens(20) {
        settings["ignore_exceptions_precedence_enabled"] = true.into();
    }
    Drawn { settings, spans }
}

pub(super) fn hystrix(random: &mut Random) -> Drawn {
    let sleep = if random.happens(3) { 0 } else { span(random) };
    let interval = random.one_of(&[20, 50, 50, 100, 100, 250, 500, 70]);
    // Mostly whole snapshots in the window, sometimes a part of one that does not count.
    let window = interval * random.one_of(&[1, 2, 4, 10, 20]) + random.below(2) * random.below(interval);
    let mut buckets = random.one_of(&[1, 2, 5, 10, 10]);
    while !window.is_multiple_of(buckets) {
        buckets -= 1;
    }
    let mut circuit = json!({
        "request_volume_threshold": random.one_of(&[0, 1, 2, 3, 5, 10, 20]),
        "sleep_window_in_milliseconds": millis(sleep),
        "error_threshold_percentage": random.one_of(&[0, 1, 10, 25, 33, 50, 50, 57, 66, 67, 90, 100]),
    });
    for (name, chance) in [("force_open", 4), ("force_closed", 6)] {
        if random.happens(chance) {
            circuit[name] = true.into();
        }
    }
    if random.happens(4) {
        circuit["enabled"] = false.into();
    }
    let settings = json!({
        "circuit_breaker": circuit,
        "metrics": {
            "rolling_stats": { "time_in_milliseconds": millis(window), "num_buckets": buckets },
            "health_snapshot": { "interval_in_milliseconds": millis(interval) },
        },
    });
    Drawn { settings, spans: vec![sleep, interval, interval, window] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_toml_with_dotted_keys() {
        let settings = json!({ "a": { "b": 1, "c": { "d": "5ms" } }, "e": ["fail"], "f": true });
        assert_eq!(toml(&settings), "a.b = 1\na.c.d = \"5ms\"\ne = [\"fail\"]\nf = true\n");
    }
}
