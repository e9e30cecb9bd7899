//! Overlays: variables `MADANG_<SECTION>__<KEY>` and flags `--set section.key=value` laid over the file.
//!
//! Both name a place by its dotted path. Variable names know neither case nor `-`, so both spellings of a path find
//! existing keys regardless of case and of `-` or `_`. Values are TOML when they read as TOML, else plain text.

use crate::outline::MAX_DEPTH;
use crate::{Node, Origin, Problems, Value, codes, convert, document, dotted};

const PREFIX: &str = "MADANG_";

/// One value to be laid over the tree.
pub(crate) struct Overlay {
    path: Vec<String>,
    value: Value,
    origin: Origin,
}

/// Reads all variables, by name, and all flags, as given; in the order in which they are to be applied.
pub(crate) fn collect(
    variables: impl Iterator<Item = (String, String)>,
    sets: &[String],
    problems: &mut Problems,
) -> Vec<Overlay> {
    let mut ours: Vec<(String, String)> =
        variables.filter(|(name, _)| name.strip_prefix(PREFIX).is_some_and(|rest| rest.contains("__"))).collect();
    // The environment has no order; a section comes before what stands inside of it.
    ours.sort();
    let mut overlays = Vec::new();
    for (name, text) in ours {
        let path: Vec<String> = name[PREFIX.len()..].split("__").map(str::to_ascii_lowercase).collect();
        overlays.extend(overlay(path, &text, Origin::Variable(name), problems));
    }
    for set in sets {
        let origin = Origin::Flag(set.clone());
        let Some((path, text)) = split_flag(set) else {
            problems
                .error(&codes::BAD_OVERLAY, "", "a flag `--set` is not of the form `section.key=value`")
                .at(&origin)
                .hint("for example `--set services.orders.instances=3`");
            continue;
        };
        overlays.extend(overlay(path, &text, origin, problems));
    }
    overlays
}

fn overlay(path: Vec<String>, text: &str, origin: Origin, problems: &mut Problems) -> Option<Overlay> {
    let key = path.iter().fold(String::new(), |key, part| dotted(&key, part));
    if path.iter().any(String::is_empty) {
        problems
            .error(&codes::BAD_OVERLAY, "", "a part of the name is empty")
            .at(&origin)
            .hint("parts are separated by two underscores in a variable and by one dot in a flag");
        return None;
    }
    if path.len() > MAX_DEPTH {
        problems
            .error(&codes::TOO_LARGE, "", format!("the name has more than {MAX_DEPTH} parts"))
            .at(&origin)
            .hint("check its separators");
        return None;
    }
    let before = problems.len();
    let value = document::read_value(text, &key, &origin, problems);
    if problems.len() > before {
        return None;
    }
    let value = value.filter(|value| is_written_like(value, text)).unwrap_or_else(|| Value::String(text.to_owned()));
    Some(Overlay { path, value, origin })
}

/// A number is one only when it is written the plain way. `1.10`, `0x10` and `007` stay texts, because a setting that
/// wants a text must get exactly what was given; one that wants a number reads them just the same.
fn is_written_like(value: &Value, text: &str) -> bool {
    match value {
        Value::Integer(number) => number.to_string() == text,
        Value::Float(number) => number.to_string() == text,
        Value::Bool(value) => value.to_string() == text,
        Value::String(_) | Value::Array(_) | Value::Table(_) => true,
    }
}

/// `services."my shop".port=1` to its path and its value. Parts in quotes may hold dots and `=`.
fn split_flag(set: &str) -> Option<(Vec<String>, String)> {
    let mut path = vec![String::new()];
    let mut quote = None;
    for (at, c) in set.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '.') => path.push(String::new()),
            (None, '=') => {
                let path = path.iter().map(|part| part.trim().to_owned()).collect();
                return Some((path, set[at + 1..].to_owned()));
            }
            _ => path.last_mut()?.push(c),
        }
    }
    None
}

impl Overlay {
    /// Puts the value in its place, making the tables on the way.
    pub(crate) fn apply(self, root: &mut Node, problems: &mut Problems) {
        let Self { path, value, origin } = self;
        let mut node = root;
        let mut key = String::new();
        for part in &path {
            let found = match &mut node.value {
                Value::Table(entries) => {
                    let name = spelling(entries, part).unwrap_or(part).to_owned();
                    key = dotted(&key, &name);
                    entry(entries, name, &origin)
                }
                Value::Array(items) => match index(items, part, &key, &origin, problems) {
                    Some(index) => {
                        key = dotted(&key, part);
                        &mut items[index]
                    }
                    None => return,
                },
                other => {
                    let found = convert::describe(other, &key);
                    problems
                        .error(
                            &codes::BAD_OVERLAY,
                            dotted(&key, part),
                            format!("`{key}` is {found} and has nothing inside"),
                        )
                        .at(&origin)
                        .related(format!("`{key}` is set here"), &node.origin)
                        .hint(format!("set `{key}` itself, for example to a table: `{{ {part} = ... }}`"));
                    return;
                }
            };
            node = found;
        }
        *node = Node { value, origin };
    }
}

/// How `part` is spelled among the keys that exist.
fn spelling<'a>(entries: &'a [(String, Node)], part: &str) -> Option<&'a str> {
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let names = || entries.iter().map(|(name, _)| name.as_str());
    names().find(|name| *name == part).or_else(|| names().find(|name| fold(name) == fold(part)))
}

fn entry<'a>(entries: &'a mut Vec<(String, Node)>, name: String, origin: &Origin) -> &'a mut Node {
    let at = entries.iter().position(|(existing, _)| *existing == name).unwrap_or(entries.len());
    if at == entries.len() {
        entries.push((name, Node { value: Value::Table(Vec::new()), origin: origin.clone() }));
    }
    &mut entries[at].1
}

/// The entry of a list; one past the end is a new entry.
fn index(items: &mut Vec<Node>, part: &str, key: &str, origin: &Origin, problems: &mut Problems) -> Option<usize> {
    match part.parse::<usize>() {
        Ok(index) if index < items.len() => Some(index),
        Ok(index) if index == items.len() => {
            items.push(Node { value: Value::Table(Vec::new()), origin: origin.clone() });
            Some(index)
        }
        wrong => {
            let message = match wrong {
                Ok(_) if items.len() == 1 => format!("`{key}` has 1 entry, so there is no entry {part}"),
                Ok(_) => format!("`{key}` has {} entries, so there is no entry {part}", items.len()),
                Err(_) => format!("`{key}` is a list, and `{part}` is not the number of an entry"),
            };
            problems
                .error(&codes::BAD_OVERLAY, dotted(key, part), message)
                .at(origin)
                .hint(format!("entries count from 0; `{key}.{}` would be a new one", items.len()));
            None
        }
    }
}

#[cfg(test)]
mod tests;
