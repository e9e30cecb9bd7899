//! The tree: values in written order, each with its origin.

use std::borrow::Cow;

use crate::Origin;

/// A value and where it came from.
#[derive(Debug, Clone)]
pub struct Node {
    /// What was written.
    pub value: Value,
    /// Where. For an entry of a table this is the place of its key.
    pub origin: Origin,
}

/// What can be written in settings. Dates are refused at the door: no setting is one.
#[derive(Debug, Clone)]
pub enum Value {
    /// Text.
    String(String),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A list.
    Array(Vec<Node>),
    /// Keys and values in written order, each key once.
    Table(Vec<(String, Node)>),
}

impl Node {
    /// The entry `key` of a table; none when this is no table or has no such entry.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// Equal values, whatever their origins and the order of their keys.
    #[must_use]
    pub fn same_value(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Integer(a), Value::Integer(b)) => a == b,
            // By bits: a `nan` that stays is no change.
            (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same_value(b)),
            (Value::Table(a), Value::Table(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| other.get(key).is_some_and(|b| a.same_value(b)))
            }
            _ => false,
        }
    }
}

/// `parent.key`, with the key in quotes when TOML would want them: `services."my shop".port`.
#[must_use]
pub fn dotted(parent: &str, key: &str) -> String {
    let key = segment(key);
    if parent.is_empty() { key.into_owned() } else { format!("{parent}.{key}") }
}

fn segment(key: &str) -> Cow<'_, str> {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { Cow::Borrowed(key) } else { Cow::Owned(format!("{key:?}")) }
}
