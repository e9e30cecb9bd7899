//! Reading one table: typed getters that report instead of stopping, and an eye on keys nobody asked for.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use madang_base::{Code, Name, format_duration, format_size, nearest, parse_duration, parse_size};

use crate::convert::{describe, is_secret, shown};
use crate::{Node, Origin, Problem, Problems, Value, codes, convert, dotted};

/// More unknown keys of one table than this are counted, not listed.
const MAX_UNKNOWN: usize = 100;

/// A table being read.
///
/// Every getter answers `None` when the key is not there, and `None` with a problem when its value is not what the
/// setting needs; so `.unwrap_or(default)` is right in both cases, and reading goes on to find the next problem.
/// [`Fields::finish`] reports every key no getter asked for.
#[derive(Debug)]
pub struct Fields<'a> {
    entries: &'a [(String, Node)],
    key: String,
    origin: &'a Origin,
    asked: Vec<&'static str>,
    all_read: bool,
}

impl<'a> Fields<'a> {
    /// Starts to read `node`, whose dotted key is `key` (empty for the root). A problem when it is not a table.
    pub fn new(node: &'a Node, key: &str, problems: &mut Problems) -> Option<Self> {
        let Value::Table(entries) = &node.value else {
            problems
                .error(
                    &codes::WRONG_TYPE,
                    key,
                    format!("`{key}` must be a table, found {}", describe(&node.value, key)),
                )
                .at(&node.origin)
                .hint("write `{ ... }` with settings inside");
            return None;
        };
        Some(Self { entries, key: key.to_owned(), origin: &node.origin, asked: Vec::new(), all_read: false })
    }

    /// The full dotted key of a field.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        dotted(&self.key, name)
    }

    /// The full dotted key of the table itself; empty for the root.
    #[must_use]
    pub fn table_key(&self) -> &str {
        &self.key
    }

    /// Where the table itself was written.
    #[must_use]
    pub const fn table_origin(&self) -> &'a Origin {
        self.origin
    }

    /// Where a field was written. Asking for it does not count as reading it.
    #[must_use]
    pub fn origin(&self, name: &str) -> Option<&'a Origin> {
        self.find(name).map(|node| &node.origin)
    }

    /// The bare node of a field.
    pub fn node(&mut self, name: &'static str) -> Option<&'a Node> {
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        self.find(name)
    }

    fn find(&self, name: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(key, _)| key == name).map(|(_, node)| node)
    }

    /// A text.
    pub fn string(&mut self, name: &'static str, problems: &mut Problems) -> Option<String> {
        let node = self.node(name)?;
        let example = match &node.value {
            Value::Integer(_) | Value::Float(_) | Value::Bool(_) if is_secret(name) => "\"…\"".to_owned(),
            Value::Integer(number) => format!("\"{number}\""),
            Value::Float(number) => format!("\"{number:?}\""),
            Value::Bool(value) => format!("\"{value}\""),
            Value::String(_) | Value::Array(_) | Value::Table(_) => "\"text\"".to_owned(),
        };
        convert::string(node).or_else(|| self.wrong(name, node, "a text", &example, problems))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, name: &'static str, problems: &mut Problems) -> Option<bool> {
        let node = self.node(name)?;
        convert::boolean(node).or_else(|| self.wrong(name, node, "`true` or `false`", "true", problems))
    }

    /// A whole number within `range`, both ends included.
    pub fn integer<T>(&mut self, name: &'static str, range: RangeInclusive<T>, problems: &mut Problems) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let node = self.node(name)?;
        let Some(number) = convert::integer(node) else {
            return self.wrong(name, node, "a whole number", &range.start().to_string(), problems);
        };
        match T::try_from(number) {
            Ok(number) => self.within(name, number, &range, T::to_string, problems),
            Err(_) => {
                let side = if number < 0 { Side::Below } else { Side::Above };
                self.outside(name, &number.to_string(), &range, side, T::to_string, problems)
            }
        }
    }

    /// A number within `range`, both ends included; never `nan`.
    pub fn float(&mut self, name: &'static str, range: RangeInclusive<f64>, problems: &mut Problems) -> Option<f64> {
        let node = self.node(name)?;
        let Some(number) = convert::float(node) else {
            return self.wrong(name, node, "a number", &range.start().to_string(), problems);
        };
        self.within(name, number, &range, f64::to_string, problems)
    }

    /// A duration with its unit: `"10s"`.
    pub fn duration(&mut self, name: &'static str, problems: &mut Problems) -> Option<Duration> {
        self.text_of(name, "a duration", |text| with_unit(text, "s", "10s"), parse_duration, problems)
    }

    /// A duration with its unit within `range`, both ends included.
    pub fn duration_in(
        &mut self,
        name: &'static str,
        range: RangeInclusive<Duration>,
        problems: &mut Problems,
    ) -> Option<Duration> {
        let found = self.duration(name, problems)?;
        self.within(name, found, &range, |span| format_duration(*span), problems)
    }

    /// A size in bytes with its unit: `"64MiB"`.
    pub fn size(&mut self, name: &'static str, problems: &mut Problems) -> Option<u64> {
        self.text_of(name, "a size", |text| with_unit(text, "B", "64MiB"), parse_size, problems)
    }

    /// A size in bytes with its unit within `range`, both ends included.
    pub fn size_in(&mut self, name: &'static str, range: RangeInclusive<u64>, problems: &mut Problems) -> Option<u64> {
        let found = self.size(name, problems)?;
        self.within(name, found, &range, |bytes| format_size(*bytes), problems)
    }

    /// A name: letters, digits, `-`, `_` and `.`; folded to lower case.
    pub fn name(&mut self, name: &'static str, problems: &mut Problems) -> Option<Name> {
        self.text_of(name, "a name", |_| "orders".to_owned(), Name::parse, problems)
    }

    /// An IP address and a port: `"127.0.0.1:8080"`, `"[::1]:8080"`.
    pub fn address(&mut self, name: &'static str, problems: &mut Problems) -> Option<SocketAddr> {
        self.text_of(name, "an address", on_loopback, parse_address, problems)
    }

    /// Like [`Fields::address`], or the word `"off"`, which is `Some(None)`.
    pub fn address_or_off(&mut self, name: &'static str, problems: &mut Problems) -> Option<Option<SocketAddr>> {
        let parse = |text: &str| if text == "off" { Ok(None) } else { parse_address(text).map(Some) };
        let example = |text: &str| if text == "false" { "off".to_owned() } else { on_loopback(text) };
        self.text_of(name, "an address or `off`", example, parse, problems)
    }

    /// One text or a list of texts: `"GET"`, `["GET", "POST"]`.
    pub fn strings(&mut self, name: &'static str, problems: &mut Problems) -> Option<Vec<String>> {
        let node = self.node(name)?;
        let Value::Array(items) = &node.value else {
            let one = convert::string(node).map(|text| vec![text]);
            return one.or_else(|| self.wrong(name, node, "a text or a list of texts", "[\"one\", \"two\"]", problems));
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match convert::string(item) {
                Some(text) => texts.push(text),
                None => {
                    let key = dotted(&self.key(name), &index.to_string());
                    problems
                        .error(
                            &codes::WRONG_TYPE,
                            &key,
                            format!("`{key}` must be a text, found {}", describe(&item.value, name)),
                        )
                        .at(&item.origin)
                        .hint(self.example(name, node, "[\"one\", \"two\"]"));
                }
            }
        }
        (texts.len() == items.len()).then_some(texts)
    }

    /// One of a few words, each with its meaning.
    pub fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)], problems: &mut Problems) -> Option<T> {
        let node = self.node(name)?;
        let words = || choices.iter().map(|(word, _)| *word);
        let kind = format!("one of {}", listed(words()));
        let example = format!("\"{}\"", words().next().unwrap_or_default());
        let Some(text) = convert::string(node) else { return self.wrong(name, node, &kind, &example, problems) };
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let hint = match nearest(&text, words()) {
                Some(word) => format!("did you mean `{word}`?"),
                None => self.example(name, node, &example),
            };
            let message = format!("`{}` must be {kind}, found {}", self.key(name), describe(&node.value, name));
            self.report(&codes::BAD_VALUE, name, message, problems).hint(hint);
        }
        found
    }

    /// A table inside this one.
    pub fn table(&mut self, name: &'static str, problems: &mut Problems) -> Option<Fields<'a>> {
        let node = self.node(name)?;
        Fields::new(node, &self.key(name), problems)
    }

    /// The entries of a list with their keys (`routes.0`); a single value counts as a list of one.
    pub fn items(&mut self, name: &'static str) -> Vec<(String, &'a Node)> {
        let key = self.key(name);
        match self.node(name) {
            None => Vec::new(),
            Some(Node { value: Value::Array(items), .. }) => {
                items.iter().enumerate().map(|(index, item)| (dotted(&key, &index.to_string()), item)).collect()
            }
            Some(node) => vec![(key, node)],
        }
    }

    /// All entries in written order, for tables with free keys; all count as read.
    pub fn entries(&mut self) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        self.all_read = true;
        self.entries.iter().map(|(name, node)| (name.as_str(), node))
    }

    /// Starts an error about a field, at its place or else at the place of the table.
    pub fn report<'p>(
        &self,
        code: &'static Code,
        name: &str,
        message: impl Into<String>,
        problems: &'p mut Problems,
    ) -> &'p mut Problem {
        let origin = self.origin(name).unwrap_or(self.origin);
        problems.error(code, self.key(name), message).at(origin)
    }

    /// Reports that a field must be there; `example` is a value in TOML.
    pub fn missing(&self, name: &str, example: &str, problems: &mut Problems) {
        let message = match self.key.as_str() {
            "" => format!("`{name}` is missing"),
            key => format!("`{key}` has no `{name}`"),
        };
        self.report(&codes::MISSING_KEY, name, message, problems).hint(format!("for example `{name} = {example}`"));
    }

    /// Reports every key nobody asked for.
    pub fn finish(self, problems: &mut Problems) {
        if self.all_read {
            return;
        }
        let unknown: Vec<_> = self.entries.iter().filter(|(name, _)| !self.asked.contains(&name.as_str())).collect();
        for (name, node) in unknown.iter().take(MAX_UNKNOWN) {
            let message = match self.key.as_str() {
                "" => format!("`{}` is not a setting", shown(name)),
                key => format!("`{}` is not a setting of `{key}`", shown(name)),
            };
            let hint = match nearest(name, self.asked.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if self.asked.is_empty() => "nothing can be set here".to_owned(),
                None => format!("settings here are {}", listed(self.asked.iter().copied())),
            };
            problems.error(&codes::UNKNOWN_KEY, self.key(name), message).at(&node.origin).hint(hint);
        }
        if let Some((_, node)) = unknown.get(MAX_UNKNOWN) {
            let message = format!("{} more keys are not settings", unknown.len() - MAX_UNKNOWN);
            problems.error(&codes::UNKNOWN_KEY, &self.key, message).at(&node.origin).hint("is this the right file?");
        }
    }

    /// A text that `parse` understands. `example` makes one that works of what was found.
    fn text_of<T, E: Display>(
        &mut self,
        name: &'static str,
        kind: &str,
        example: impl Fn(&str) -> String,
        parse: impl Fn(&str) -> Result<T, E>,
        problems: &mut Problems,
    ) -> Option<T> {
        let node = self.node(name)?;
        let Some(text) = convert::string(node) else {
            let found = match &node.value {
                Value::Integer(number) => number.to_string(),
                Value::Bool(value) => value.to_string(),
                _ => String::new(),
            };
            return self.wrong(name, node, kind, &format!("\"{}\"", example(&found)), problems);
        };
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                let key = self.key(name);
                let message = match is_secret(name) {
                    true => format!("`{key}` must be {kind}"),
                    false => format!("`{key}` must be {kind}: {error}"),
                };
                let hint = self.example(name, node, &format!("\"{}\"", example(&text)));
                self.report(&codes::BAD_VALUE, name, message, problems).hint(hint);
                None
            }
        }
    }

    fn within<T: PartialOrd>(
        &self,
        name: &str,
        found: T,
        range: &RangeInclusive<T>,
        show: impl Fn(&T) -> String,
        problems: &mut Problems,
    ) -> Option<T> {
        if range.contains(&found) {
            return Some(found);
        }
        let side = if found > *range.end() { Side::Above } else { Side::Below };
        self.outside(name, &show(&found), range, side, show, problems)
    }

    fn outside<T>(
        &self,
        name: &str,
        found: &str,
        range: &RangeInclusive<T>,
        side: Side,
        show: impl Fn(&T) -> String,
        problems: &mut Problems,
    ) -> Option<T> {
        let node = self.find(name)?;
        let (low, high) = (show(range.start()), show(range.end()));
        let message = format!("`{}` must be from {low} to {high}, found `{found}`", self.key(name));
        let allowed = match side {
            Side::Below => low,
            Side::Above => high,
        };
        let is_number = allowed.parse::<f64>().is_ok();
        let allowed = if is_number { allowed } else { format!("\"{allowed}\"") };
        self.report(&codes::OUT_OF_RANGE, name, message, problems).hint(self.example(name, node, &allowed));
        None
    }

    fn wrong<T>(&self, name: &str, node: &Node, kind: &str, example: &str, problems: &mut Problems) -> Option<T> {
        let message = format!("`{}` must be {kind}, found {}", self.key(name), describe(&node.value, name));
        self.report(&codes::WRONG_TYPE, name, message, problems).hint(self.example(name, node, example));
        None
    }

    /// A line that works, in the words of the place the value came from.
    fn example(&self, name: &str, node: &Node, value: &str) -> String {
        let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        match &node.origin {
            Origin::File { .. } => format!("for example `{name} = {value}`"),
            Origin::Variable(variable) => format!("for example `{variable}={bare}`"),
            Origin::Flag(_) => format!("for example `--set {}={bare}`", self.key(name)),
        }
    }
}

/// On which side of a range a value lies.
enum Side {
    Below,
    Above,
}

fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// A number that only lacks its unit keeps its value in the example.
fn with_unit(text: &str, unit: &str, other: &str) -> String {
    let is_number = !text.is_empty() && text.len() < 10 && text.chars().all(|c| c.is_ascii_digit());
    if is_number { format!("{text}{unit}") } else { other.to_owned() }
}

/// The port that was given, on loopback.
fn on_loopback(text: &str) -> String {
    let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    format!("127.0.0.1:{}", port.unwrap_or(8080))
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{}` is not an IP address and a port", shown(text)))
}

#[cfg(test)]
mod tests;
