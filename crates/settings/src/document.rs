//! TOML text to a tree, with a place for every value and every mistake.

use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::outline::{self, MAX_DEPTH};
use crate::syntax::Mistakes;
use crate::{Node, Origin, Problem, Problems, Value, codes, dotted};

/// Reads a whole file's text.
pub(crate) fn read(text: &str, path: &Arc<Path>) -> Result<Node, Problems> {
    let places = Places::new(text, path);
    if let Some(offset) = outline::too_deep(text) {
        return Err(too_deep(&places.origin(offset)).into());
    }
    let (table, mistakes) = DeTable::parse_recoverable(text);
    let mistakes = Mistakes::new(text, &places, mistakes);
    let mut problems = Problems::new();
    let (place, broken) = (|offset| places.origin(offset), |offset| mistakes.spoil(offset));
    let value = Converter { place: &place, broken: &broken, problems: &mut problems }.table(table.into_inner(), "");
    problems.extend(mistakes.into_problems());
    if problems.has_errors() { Err(problems) } else { Ok(Node { value, origin: Origin::file(path) }) }
}

/// Reads the value of a variable or a flag: none when it is not TOML, so that it is a plain text.
pub(crate) fn read_value(text: &str, key: &str, origin: &Origin, problems: &mut Problems) -> Option<Value> {
    if outline::too_deep(text).is_some() {
        problems.push(too_deep(origin)).key = key.to_owned();
        return None;
    }
    let value = DeValue::parse(text).ok()?.into_inner();
    if value.is_datetime() {
        return None;
    }
    let place = |_| origin.clone();
    Some(Converter { place: &place, broken: &|_| false, problems }.value(value, key, 0))
}

fn too_deep(origin: &Origin) -> Problem {
    let mut problem = Problem::error(&codes::TOO_LARGE, "", format!("values nest deeper than {MAX_DEPTH} levels"));
    problem.at(origin).hint("look for a bracket that is never closed, or for a key with far too many dots");
    problem
}

/// Offsets in the text to lines and columns.
pub(crate) struct Places<'a> {
    text: &'a str,
    path: &'a Arc<Path>,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str, path: &'a Arc<Path>) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, path, line_starts }
    }

    /// The file as a whole.
    pub(crate) fn file(&self) -> Origin {
        Origin::file(self.path)
    }

    /// The line of an offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Where the line of an offset begins.
    pub(crate) fn line_start(&self, offset: usize) -> usize {
        self.line_starts.get(self.line(offset).saturating_sub(1)).copied().unwrap_or(0)
    }

    /// The place of an offset.
    pub(crate) fn origin(&self, offset: usize) -> Origin {
        let line = self.line(offset);
        let start = self.line_start(offset);
        let column = self.text.get(start..offset).map_or(offset.saturating_sub(start), |before| before.chars().count());
        Origin::File { path: Arc::clone(self.path), line: number(line), column: number(column + 1) }
    }
}

/// Fits: a text has at most 4 MiB.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

struct Converter<'a> {
    place: &'a dyn Fn(usize) -> Origin,
    broken: &'a dyn Fn(usize) -> bool,
    problems: &'a mut Problems,
}

impl Converter<'_> {
    fn table(&mut self, table: DeTable<'_>, key: &str) -> Value {
        // The parser sorts by key; the place of the key brings the written order back.
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let entries = entries.into_iter().map(|(name, value)| {
            let at = name.span().start;
            let name = name.into_inner().into_owned();
            let value = self.value(value.into_inner(), &dotted(key, &name), at);
            (name, Node { value, origin: (self.place)(at) })
        });
        Value::Table(entries.collect())
    }

    fn item(&mut self, value: Spanned<DeValue<'_>>, key: &str) -> Node {
        let at = value.span().start;
        Node { value: self.value(value.into_inner(), key, at), origin: (self.place)(at) }
    }

    fn value(&mut self, value: DeValue<'_>, key: &str, at: usize) -> Value {
        match value {
            DeValue::String(text) => Value::String(text.into_owned()),
            DeValue::Boolean(value) => Value::Bool(value),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(value) => Value::Integer(value),
                Err(_) => {
                    let message = format!("`{integer}` does not fit into 64 bits");
                    self.refuse(&codes::OUT_OF_RANGE, key, at, message, "use a smaller number");
                    Value::Integer(0)
                }
            },
            DeValue::Float(float) => match float.as_str().parse::<f64>() {
                // Infinite is fine when it was written as `inf`, not when digits became it.
                Ok(value) if value.is_finite() || !float.as_str().contains(|c: char| c.is_ascii_digit()) => {
                    Value::Float(value)
                }
                _ => {
                    let message = format!("`{float}` is too large");
                    self.refuse(&codes::OUT_OF_RANGE, key, at, message, "use a smaller number");
                    Value::Float(0.0)
                }
            },
            DeValue::Datetime(date) => {
                let message = format!("`{date}` is a date, and no setting is one");
                let hint = format!("if it is a text, put it in quotes: `\"{date}\"`");
                self.refuse(&codes::WRONG_TYPE, key, at, message, &hint);
                Value::String(date.to_string())
            }
            DeValue::Array(array) => {
                let items = array.into_iter().enumerate();
                Value::Array(items.map(|(index, item)| self.item(item, &dotted(key, &index.to_string()))).collect())
            }
            DeValue::Table(table) => self.table(table, key),
        }
    }

    fn refuse(&mut self, code: &'static madang_base::Code, key: &str, at: usize, message: String, hint: &str) {
        if !(self.broken)(at) {
            self.problems.error(code, key, message).at(&(self.place)(at)).hint(hint);
        }
    }
}

#[cfg(test)]
mod tests;
