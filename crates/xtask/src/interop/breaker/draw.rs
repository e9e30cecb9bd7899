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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_written_as_toml_with_dotted_keys() {
        let settings = json!({ "a": { "b": 1, "c": { "d": "5ms" } }, "e": ["fail"], "f": true });
        assert_eq!(toml(&settings), "a.b = 1\na.c.d = \"5ms\"\ne = [\"fail\"]\nf = true\n");
    }
}
