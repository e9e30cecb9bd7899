//! Differences between two trees, as dotted keys: what a reload compares with its list of restart keys.

use crate::{Node, Value, dotted};

/// The dotted leaf keys whose values differ, in written order: of `new`, then what only `old` has.
///
/// A value that was added or removed names every leaf below it (`services.orders.command`); an entry of an array is
/// named by its index (`routes.2.to`).
#[must_use]
pub fn changed_keys(old: &Node, new: &Node) -> Vec<String> {
    let mut keys = Vec::new();
    compare(Some(old), Some(new), "", &mut keys);
    keys
}

fn compare(old: Option<&Node>, new: Option<&Node>, key: &str, keys: &mut Vec<String>) {
    match (old.map(|node| &node.value), new.map(|node| &node.value)) {
        (Some(Value::Table(a)), Some(Value::Table(b))) => {
            for (name, new_node) in b {
                compare(old.and_then(|node| node.get(name)), Some(new_node), &dotted(key, name), keys);
            }
            for (name, old_node) in a {
                if new.is_none_or(|node| node.get(name).is_none()) {
                    compare(Some(old_node), None, &dotted(key, name), keys);
                }
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                compare(a.get(index), b.get(index), &dotted(key, &index.to_string()), keys);
            }
        }
        (Some(_), Some(_)) => {
            if let (Some(old), Some(new)) = (old, new)
                && !old.same_value(new)
            {
                keys.push(key.to_owned());
            }
        }
        (Some(only), None) | (None, Some(only)) => leaves(only, key, keys),
        (None, None) => {}
    }
}

fn leaves(value: &Value, key: &str, keys: &mut Vec<String>) {
    match value {
        Value::Table(entries) if !entries.is_empty() => {
            for (name, node) in entries {
                leaves(&node.value, &dotted(key, name), keys);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, node) in items.iter().enumerate() {
                leaves(&node.value, &dotted(key, &index.to_string()), keys);
            }
        }
        _ => keys.push(key.to_owned()),
    }
}

#[cfg(test)]
mod tests;
