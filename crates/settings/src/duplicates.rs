//! Where a key that is written twice stands first.
//!
//! The parser tells only the second place. `Keys` walks over the tokens of a text and knows the full path of every
//! key, entries of lists by number. Called by `syntax`, and only when there is such a mistake.

use std::collections::{HashMap, HashSet};

use crate::{dotted, outline};

/// What is known about the keys at some places of a text.
#[derive(Default)]
pub(crate) struct Keys {
    /// The place asked about to the path of its key.
    paths: HashMap<usize, Vec<Part>>,
    /// The first places of these paths.
    first: HashMap<Vec<Part>, First>,
}

/// Where a path stands first.
#[derive(Default)]
struct First {
    /// Where a value or a header gives it.
    written: Option<usize>,
    /// Where it is passed on the way to something inside: `a` in `[a.b]`.
    passed: Option<usize>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Part {
    Key(String),
    Index(usize),
}

impl Keys {
    /// Learns about the keys at the places `wanted`, in two walks over the text, so that no other path is kept.
    pub(crate) fn of(text: &str, wanted: &HashSet<usize>) -> Self {
        let mut keys = Self::default();
        walk(text, |path, at, _| {
            if wanted.contains(&at) {
                keys.paths.insert(at, path.to_vec());
                keys.first.entry(path.to_vec()).or_default();
            }
        });
        walk(text, |path, at, is_last| {
            if let Some(first) = keys.first.get_mut(path) {
                (if is_last { &mut first.written } else { &mut first.passed }).get_or_insert(at);
            }
        });
        keys
    }

    /// The dotted path of the key at `offset`, and where it stands first.
    pub(crate) fn first(&self, offset: usize) -> Option<(String, usize)> {
        let path = self.paths.get(&offset)?;
        let First { written, passed } = self.first.get(path)?;
        let before = |place: &Option<usize>| place.filter(|place| *place < offset);
        let first = before(written).or_else(|| before(passed))?;
        let shown = path.iter().fold(String::new(), |key, part| match part {
            Part::Key(part) => dotted(&key, part),
            Part::Index(index) => dotted(&key, &index.to_string()),
        });
        Some((shown, first))
    }
}

/// Calls `on_key` for every part of every key: its path, its place, whether it is the last part.
fn walk(text: &str, on_key: impl FnMut(&[Part], usize, bool)) {
    let (header, lists, open, parts) = (Vec::new(), HashMap::new(), Vec::new(), Vec::new());
    let mut walk = Walk { text, on_key, header, lists, open, parts, value: None };
    for (at, byte) in outline::tokens(text) {
        walk.token(at, byte);
    }
}

struct Walk<'a, F> {
    text: &'a str,
    on_key: F,
    /// The path of the current header.
    header: Vec<Part>,
    /// How many entries each list of tables has so far.
    lists: HashMap<Vec<Part>, usize>,
    open: Vec<Open>,
    /// The parts of the key being read, each with its place.
    parts: Vec<(String, usize)>,
    /// The path of the value being read; none while a key is expected.
    value: Option<Vec<Part>>,
}

/// An open bracket.
enum Open {
    Header { double: bool },
    List { path: Vec<Part>, index: usize },
    Table { path: Vec<Part> },
}

impl<F: FnMut(&[Part], usize, bool)> Walk<'_, F> {
    fn token(&mut self, at: usize, byte: u8) {
        match byte {
            b'[' => self.open_square(),
            b']' => self.close_square(),
            b'{' => {
                if let Some(path) = self.value.take() {
                    self.open.push(Open::Table { path });
                }
            }
            b'}' => {
                if let Some(Open::Table { path }) = self.open.pop_if(|open| matches!(open, Open::Table { .. })) {
                    self.value = Some(path);
                }
            }
            b'=' => self.end_key(),
            b',' => self.next_item(),
            b'\n' => {
                self.parts.clear();
                self.open.pop_if(|open| matches!(open, Open::Header { .. }));
                if self.open.is_empty() {
                    self.value = None;
                }
            }
            b'.' | b' ' | b'\t' | b'\r' | b'#' => {}
            _ => self.word(at),
        }
    }

    fn open_square(&mut self) {
        match (self.value.take(), self.open.last_mut()) {
            (Some(path), _) => {
                self.value = Some(with(&path, 0));
                self.open.push(Open::List { path, index: 0 });
            }
            (None, None) => {
                self.parts.clear();
                self.open.push(Open::Header { double: false });
            }
            (None, Some(Open::Header { double })) if self.parts.is_empty() => *double = true,
            (None, Some(_)) => {}
        }
    }

    fn close_square(&mut self) {
        match self.open.pop_if(|open| !matches!(open, Open::Table { .. })) {
            Some(Open::List { path, .. }) => self.value = Some(path),
            Some(Open::Header { double }) => {
                self.header = self.enter(Vec::new());
                if double {
                    let count = self.lists.entry(self.header.clone()).or_default();
                    self.header.push(Part::Index(*count));
                    *count += 1;
                }
                // What is left of the line is no key; the second bracket of `]]` finds nothing open.
                self.value = Some(self.header.clone());
            }
            Some(Open::Table { .. }) | None => {}
        }
    }

    fn end_key(&mut self) {
        if self.value.is_some() {
            return;
        }
        let base = match self.open.last() {
            Some(Open::Table { path } | Open::List { path, .. }) => path.clone(),
            Some(Open::Header { .. }) | None => self.header.clone(),
        };
        self.value = Some(self.enter(base));
    }

    /// Follows the parts of the key from `path`, telling each.
    fn enter(&mut self, mut path: Vec<Part>) -> Vec<Part> {
        let parts = std::mem::take(&mut self.parts);
        let last = parts.len().saturating_sub(1);
        for (index, (part, at)) in parts.into_iter().enumerate() {
            // A header goes on inside the last entry of a list of tables.
            if let Some(count) = self.lists.get(&path) {
                path.push(Part::Index(count.saturating_sub(1)));
            }
            path.push(Part::Key(part));
            (self.on_key)(&path, at, index == last);
        }
        path
    }

    fn next_item(&mut self) {
        match self.open.last_mut() {
            Some(Open::List { path, index }) => {
                *index += 1;
                self.value = Some(with(path, *index));
            }
            Some(Open::Table { .. }) => {
                self.parts.clear();
                self.value = None;
            }
            Some(Open::Header { .. }) | None => {}
        }
    }

    fn word(&mut self, at: usize) {
        if self.value.is_none() {
            let word = &self.text[at..outline::token_end(self.text.as_bytes(), at)];
            let unquoted = |quote| word.strip_prefix(quote)?.strip_suffix(quote);
            self.parts.push((unquoted('"').or_else(|| unquoted('\'')).unwrap_or(word).to_owned(), at));
        }
    }
}

fn with(path: &[Part], index: usize) -> Vec<Part> {
    path.iter().cloned().chain([Part::Index(index)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_of_a_key_is_found() {
        for (text, key, line) in [
            ("a = 1\nb = 2\na = 3", "a", 1),
            ("[x]\na = 1\n[y]\na = 2\na = 3", "y.a", 4),
            ("[x.y]\n[x]\n[x]", "x", 2),
            ("[x.y]\n[x]", "x", 1),
            ("[[r]]\nto = 1\n[[r]]\nto = 2\nto = 3", "r.1.to", 4),
            ("[[r]]\n[r.s]\nto = 1\n[[r]]\n[r.s]\nto = 2\nto = 3", "r.1.s.to", 6),
            ("x = { b = { a = 2 },\n a = 1,\n a = 3 }", "x.a", 2),
            ("x = [ { a = 1 }, {\n a = 1,\n a = 3 } ]", "x.1.a", 2),
            ("x = [[1, 2], [{ b = [ { a = 1,\n a = 2", "x.1.0.b.0.a", 1),
            ("a.b = 1\na.c = 2\na.b = 3", "a.b", 1),
            ("a.b = \"\"\"\na.b = 1\"\"\" # a.b = 1\na.b = 3", "a.b", 1),
            ("'a.b' = 1\n\"a.b\" = 3", "\"a.b\"", 1),
            ("#\n\"#a\" = 1\n\"#a\" = 3", "\"#a\"", 2),
            // A text that is never closed ends with its line, perhaps behind its quote.
            ("\"é\na = 1\n\"\n'é\na = 2", "a", 2),
        ] {
            let mut second = 0;
            walk(text, |_, at, is_last| second = if is_last { at } else { second });
            let keys = Keys::of(text, &HashSet::from([second]));
            let (found, first) = keys.first(second).expect(text);
            assert_eq!((found.as_str(), text[..first].matches('\n').count() + 1), (key, line), "{text}");
        }
    }
}
