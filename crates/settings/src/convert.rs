//! What a node is worth as a text, a number and so on: the rules behind the getters of `Fields`.
//!
//! A variable or flag is bare text, so there a setting may read a number as text and a text as number; a file has
//! quotes for that difference.

use toml::de::DeValue;

use crate::{Node, Value};

pub(crate) fn string(node: &Node) -> Option<String> {
    match &node.value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) if node.origin.is_overlay() => Some(number.to_string()),
        Value::Float(number) if node.origin.is_overlay() => Some(number.to_string()),
        Value::Bool(value) if node.origin.is_overlay() => Some(value.to_string()),
        _ => None,
    }
}

pub(crate) fn boolean(node: &Node) -> Option<bool> {
    match &node.value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if node.origin.is_overlay() => text.trim().to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

pub(crate) fn integer(node: &Node) -> Option<i64> {
    match &node.value {
        Value::Integer(number) => Some(*number),
        Value::String(text) if node.origin.is_overlay() => {
            let text = text.trim();
            text.parse().ok().or_else(|| match DeValue::parse(text).ok()?.into_inner() {
                DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok(),
                _ => None,
            })
        }
        _ => None,
    }
}

pub(crate) fn float(node: &Node) -> Option<f64> {
    match &node.value {
        Value::Float(number) => Some(*number),
        // Whole numbers up to 2^53 are exact; no setting with a fraction is larger.
        #[allow(clippy::cast_precision_loss)]
        Value::Integer(number) => Some(*number as f64),
        Value::String(text) if node.origin.is_overlay() => text.trim().parse().ok(),
        _ => None,
    }
}

/// A value in a sentence: ``the number `3` ``, `a list`. Long texts are cut, secrets are not shown.
pub(crate) fn describe(value: &Value, key: &str) -> String {
    let (kind, text) = match value {
        Value::String(text) => ("the text", shown(text)),
        Value::Integer(number) => ("the number", number.to_string()),
        Value::Float(number) => ("the number", format!("{number:?}")),
        Value::Bool(value) => return format!("`{value}`"),
        Value::Array(_) => return "a list".to_owned(),
        Value::Table(_) => return "a table".to_owned(),
    };
    if is_secret(key) { format!("{kind} `…`") } else { format!("{kind} `{text}`") }
}

/// The beginning of a text, as much of it as a message should have.
pub(crate) fn shown(text: &str) -> String {
    const SHOWN: usize = 60;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Keys whose values must not appear in messages or logs, judged by name.
pub(crate) fn is_secret(key: &str) -> bool {
    const WORDS: &[&str] =
        &["token", "secret", "password", "passwd", "credential", "private_key", "private-key", "api_key"];
    let key = key.to_ascii_lowercase();
    let last = key.rsplit('.').next().unwrap_or(&key);
    WORDS.iter().any(|word| last.contains(word))
}
