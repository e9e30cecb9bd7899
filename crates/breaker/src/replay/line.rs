//! One line of a trace as an event, or what is wrong with it.

use madang_base::nearest;
use serde_json::{Map, Value};
use std::time::Duration;

use crate::Outcome;

/// The latest time of a trace, 317 years in milliseconds.
const MAX_T: u64 = 10_000_000_000_000;

/// Characters of a wrong word that are shown.
const SHOWN: usize = 40;

const CALL: &str = r#"{"t":0,"ev":"call","id":1}"#;
const END: &str = r#"{"t":12,"ev":"end","id":1,"outcome":"ok","duration":12}"#;

/// Every key that an event may have.
const KEYS: [&str; 5] = ["t", "ev", "id", "outcome", "duration"];

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) t: u64,
    pub(super) id: u64,
    pub(super) what: What,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    Call,
    End { outcome: Outcome, duration: Option<Duration> },
}

/// A line that cannot be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Malformed {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl Malformed {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl Event {
    pub(super) fn parse(line: &str) -> Result<Self, Malformed> {
        let value: Value = serde_json::from_str(line).map_err(|error| {
            let near = format!("at column {}", error.column());
            Malformed::new(format!("not JSON {near}"), format!("an event looks like {CALL} or {END}"))
        })?;
        let Value::Object(keys) = value else {
            let message = format!("an event is an object, found {}", described(&value));
            return Err(Malformed::new(message, format!("for example {CALL}")));
        };
        check_spelling(&keys)?;
        let what = match word(&keys, "ev", CALL, ["call", "end"])? {
            "call" => What::Call,
            _ => What::End { outcome: outcome(&keys)?, duration: duration(&keys)? },
        };
        let example = if what == What::Call { CALL } else { END };
        let t = number(&keys, "t", example)?;
        if t > MAX_T {
            return Err(Malformed::new(format!("`t` is {t}: too far away"), "`t` counts milliseconds from the start"));
        }
        Ok(Self { t, id: number(&keys, "id", example)?, what })
    }
}

/// A key that is not ours is the writer's own business, but not one that is nearly ours.
fn check_spelling(keys: &Map<String, Value>) -> Result<(), Malformed> {
    let slip = keys.keys().filter(|key| !KEYS.contains(&key.as_str())).find_map(|key| {
        let meant = nearest(key, KEYS.into_iter().filter(|meant| meant.len() > 2 && !keys.contains_key(*meant)))?;
        Some(Malformed::new(format!("`{}` is not a key of an event", shown(key)), format!("did you mean `{meant}`?")))
    });
    slip.map_or(Ok(()), Err)
}

fn outcome(keys: &Map<String, Value>) -> Result<Outcome, Malformed> {
    let all = [Outcome::Success, Outcome::Failure, Outcome::Timeout, Outcome::Ignored];
    let name = word(keys, "outcome", END, all.map(Outcome::name))?;
    Ok(all.into_iter().find(|outcome| outcome.name() == name).unwrap_or(Outcome::Failure))
}

fn duration(keys: &Map<String, Value>) -> Result<Option<Duration>, Malformed> {
    match keys.get("duration") {
        None => Ok(None),
        Some(_) => number(keys, "duration", END).map(|span| Some(Duration::from_millis(span))),
    }
}

fn number(keys: &Map<String, Value>, key: &str, example: &str) -> Result<u64, Malformed> {
    let value = find(keys, key, example)?;
    value.as_u64().ok_or_else(|| {
        let message = format!("`{key}` is a whole number that is not negative, found {}", described(value));
        Malformed::new(message, format!("for example {example}"))
    })
}

fn word<const N: usize>(
    keys: &Map<String, Value>,
    key: &str,
    example: &str,
    words: [&'static str; N],
) -> Result<&'static str, Malformed> {
    let value = find(keys, key, example)?;
    let text = value.as_str().unwrap_or_default();
    words.into_iter().find(|word| *word == text).ok_or_else(|| {
        let listed = words.map(|word| format!("`{word}`")).join(", ");
        let hint = match nearest(text, words) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("for example {example}"),
        };
        Malformed::new(format!("`{key}` is one of {listed}, found {}", described(value)), hint)
    })
}

fn find<'a>(keys: &'a Map<String, Value>, key: &str, example: &str) -> Result<&'a Value, Malformed> {
    keys.get(key).ok_or_else(|| Malformed::new(format!("`{key}` is missing"), format!("for example {example}")))
}

fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::String(text) => format!("the text `{}`", shown(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A text without its end, if it is long, and without control characters.
fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().count() > SHOWN {
        start.push('…');
    }
    start
}
