//! What the TOML parser stumbled over, in words that say what to do.
//!
//! The parser recovers and goes on, but after a bracket that is never closed it takes every later line for an entry
//! of that list. A mistake on a line that begins like a setting or a header, in its first column, means just that: we
//! point at the bracket and read on from that line as if it had been closed.

use std::collections::HashSet;
use std::ops::Range;

use toml::de::{DeTable, Error};

use crate::document::Places;
use crate::duplicates::Keys;
use crate::{Problem, Problems, codes, outline};

/// More mistakes than this are counted, not listed.
const MAX_LISTED: usize = 100;
/// How often reading starts again after a bracket that is never closed.
const MAX_RESTARTS: usize = 20;
/// The parser's message about a key that is written twice.
const DUPLICATE: &str = "duplicate key";

/// All mistakes found, at most one per line: what is said of the rest of a broken line follows from its first one.
pub(crate) struct Mistakes<'a> {
    text: &'a str,
    places: &'a Places<'a>,
    keys: Keys,
    lines: HashSet<usize>,
    /// Where the first bracket is that is never closed.
    ruins: Option<usize>,
    unlisted: usize,
    problems: Problems,
}

impl<'a> Mistakes<'a> {
    /// Explains what the parser found in `text`.
    pub(crate) fn new(text: &'a str, places: &'a Places<'a>, found: Vec<Error>) -> Self {
        let (keys, lines, problems) = (Keys::default(), HashSet::new(), Problems::new());
        let mut mistakes = Self { text, places, keys, lines, ruins: None, unlisted: 0, problems };
        mistakes.add_all(found);
        mistakes
    }

    /// True when a value at `offset` is what the parser made of ruins: on a line with a mistake, or behind a bracket
    /// that is never closed.
    pub(crate) fn spoil(&self, offset: usize) -> bool {
        self.ruins.is_some_and(|ruins| ruins <= offset) || self.lines.contains(&self.places.line(offset))
    }

    /// The problems, and a line for those that were too many to list.
    pub(crate) fn into_problems(mut self) -> Problems {
        if self.unlisted > 0 {
            self.problems
                .error(&codes::SYNTAX, "", format!("{} more lines are not valid TOML", self.unlisted))
                .at(&self.places.file())
                .hint("is this the right file?");
        }
        self.problems
    }

    fn add_all(&mut self, mut found: Vec<Error>) {
        let mut start = 0;
        for _ in 0..MAX_RESTARTS {
            let Some(line) = self.add(start, &found) else { return };
            // Each restart is at a later line, so this ends.
            start = line;
            found = DeTable::parse_recoverable(&self.text[start..]).1;
        }
    }

    /// Adds mistakes of the text from `start` on. The offset of a line from which to read again, if there is one.
    fn add(&mut self, start: usize, found: &[Error]) -> Option<usize> {
        let end = self.text.len();
        let place = |mistake: &Error| mistake.span().map_or(end..end, |span| span.start + start..span.end + start);
        let mut found: Vec<(Range<usize>, &str)> = found.iter().map(|error| (place(error), error.message())).collect();
        // The parser tells mistakes in brackets first, those in values later. On one line that order is the best one.
        found.sort_by_cached_key(|(span, _)| self.places.line(span.start));
        let twice = found.iter().filter(|(_, message)| *message == DUPLICATE).take(MAX_LISTED);
        let twice: HashSet<usize> = twice.map(|(span, _)| span.start).collect();
        if !twice.is_empty() {
            self.keys = Keys::of(self.text, &twice);
        }
        for (span, message) in found {
            let line = self.places.line(span.start);
            if self.lines.contains(&line) {
                continue;
            }
            if self.problems.len() >= MAX_LISTED {
                self.lines.insert(line);
                self.unlisted += 1;
                continue;
            }
            let line_start = self.places.line_start(span.start);
            if message != DUPLICATE
                && let Some(bracket) = self.open_above(start, line_start)
            {
                self.ruins.get_or_insert(bracket.0);
                self.problems.push(self.open_bracket(bracket, line_start));
                return Some(line_start);
            }
            self.lines.insert(line);
            let problem = self.explain(start, message, span);
            self.problems.push(problem);
            if message.starts_with("unclosed table") || message.starts_with("unclosed array table") {
                // The parser takes the next line for a part of the header.
                self.ruins.get_or_insert(line_start);
                return self.text[line_start..].find('\n').map(|length| line_start + length + 1);
            }
        }
        None
    }

    /// The bracket that is open where a line begins that looks like a setting of its own.
    fn open_above(&self, start: usize, line_start: usize) -> Option<(usize, u8)> {
        if line_start <= start || !looks_like_a_setting(&self.text[line_start..]) {
            return None;
        }
        let (at, byte) = outline::open_bracket(&self.text[start..], line_start - start)?;
        Some((at + start, byte))
    }

    fn open_bracket(&self, (at, byte): (usize, u8), noticed: usize) -> Problem {
        let (open, close) = if byte == b'[' { ('[', ']') } else { ('{', '}') };
        let mut problem = Problem::error(&codes::SYNTAX, "", format!("not valid TOML: `{open}` is never closed"));
        problem.at(&self.places.origin(at)).hint(format!("put a `{close}` before the next setting begins"));
        problem.related("the next setting begins here", &self.places.origin(noticed));
        problem
    }

    fn explain(&self, start: usize, message: &str, span: Range<usize>) -> Problem {
        if message == DUPLICATE {
            return self.duplicate(span);
        }
        let at_a_key = message.starts_with("key with no value") || message.starts_with("invalid unquoted key");
        if at_a_key && let Some(colon) = self.colon(span.start) {
            let what = "not valid TOML: a setting is written with `=`, not with `:`";
            let mut problem = Problem::error(&codes::SYNTAX, "", what);
            problem.at(&self.places.origin(colon)).hint("write `name = value`");
            return problem;
        }
        let mut at = span.start;
        let found = EXPLANATIONS.iter().find(|(prefix, ..)| message.starts_with(prefix));
        let (what, hint) = match found {
            Some((_, Place::There, what, hint)) => (*what, *hint),
            Some((_, Place::Token, what, hint)) => {
                at = outline::token_start(&self.text[start..], at - start).map_or(at, |token| token + start);
                (*what, *hint)
            }
            Some((_, Place::Bracket, what, hint)) => {
                at = outline::open_bracket(&self.text[start..], at - start).map_or(at, |(bracket, _)| bracket + start);
                (*what, *hint)
            }
            None => (message, "the format is described at <https://toml.io>"),
        };
        let mut problem = Problem::error(&codes::SYNTAX, "", format!("not valid TOML: {what}"));
        if message.starts_with("string values must be quoted") {
            self.unquoted(at, &mut problem);
        } else {
            problem.hint(hint);
        }
        problem.at(&self.places.origin(at));
        problem
    }

    /// The colon of a line `name: value`, as YAML would have it.
    fn colon(&self, offset: usize) -> Option<usize> {
        let start = self.places.line_start(offset);
        let line = self.text[start..].lines().next()?;
        let colon = line.find(':')?;
        let word = line[..colon].trim();
        let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-\"'".contains(c));
        is_word.then_some(start + colon)
    }

    /// The most common mistake of all: the hint is the line's value in quotes.
    fn unquoted(&self, at: usize, problem: &mut Problem) {
        let line = self.text[at..].lines().next().unwrap_or_default();
        let value = line.split('#').next().unwrap_or_default().trim_end();
        match value {
            "" => {
                "not valid TOML: the value is missing".clone_into(&mut problem.message);
                problem.hint("write it behind the `=`, or remove the line")
            }
            "yes" | "on" | "Yes" | "On" => {
                problem.hint(format!("write `true`, or `\"{value}\"` if the setting wants the word"))
            }
            "no" | "off" | "No" | "Off" => {
                problem.hint(format!("write `false`, or `\"{value}\"` if the setting wants the word"))
            }
            // Inside a list or table the value may end before the line does.
            _ if value.contains(['"', '\'', ',', ']', '}', '\\']) || value.len() > 80 => {
                problem.hint("put it in quotes")
            }
            _ => problem.hint(format!("put it in quotes: `\"{value}\"`")),
        };
    }

    fn duplicate(&self, span: Range<usize>) -> Problem {
        let first = self.keys.first(span.start);
        let at = self.places.origin(span.start);
        let is_header = self.text[..span.start].ends_with('[');
        let last = self.text.get(span).unwrap_or_default();
        let (key, first) = match first {
            Some((key, first)) => (key, Some(first)),
            None => (String::new(), None),
        };
        let shown = if key.is_empty() { last } else { &key };
        let mut problem = Problem::error(&codes::DUPLICATE_KEY, key.clone(), format!("`{shown}` is written twice"));
        let hint = match is_header {
            true => format!("bring the two together; entries of a list have double brackets: `[[{shown}]]`"),
            false => "remove one of the two".to_owned(),
        };
        problem.at(&at).hint(hint);
        if let Some(first) = first {
            problem.related("first written here", &self.places.origin(first));
        }
        problem
    }
}

/// `name = …`, `[name]`, `[[name]]`.
fn looks_like_a_setting(line: &str) -> bool {
    let word =
        |text: &str| text.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.\"'".contains(c))).unwrap_or(text.len());
    let inside = line.trim_start_matches('[');
    let length = word(inside);
    let after = inside[length..].trim_start_matches([' ', '\t']);
    length > 0 && after.starts_with(if inside.len() == line.len() { '=' } else { ']' })
}

/// Where to point: at the place the parser names, or at the beginning of what it could not finish.
enum Place {
    There,
    Token,
    Bracket,
}

/// The beginning of the parser's message (crate `toml_parser` 1.1), where to point, what is wrong, what to do.
const EXPLANATIONS: &[(&str, Place, &str, &str)] = &[
    ("string values must be quoted", Place::There, "a text must be in quotes", "put it in quotes"),
    ("invalid basic string", Place::Token, "this text is never closed", "end it with `\"` on the same line"),
    ("invalid literal string", Place::Token, "this text is never closed", "end it with `'` on the same line"),
    ("invalid multi-line basic string", Place::Token, "this text is never closed", "end it with `\"\"\"`"),
    ("invalid multi-line literal string", Place::Token, "this text is never closed", "end it with `'''`"),
    ("missing comma between array elements", Place::There, "a comma is missing", "put a `,` between two values"),
    ("missing comma between key-value pairs", Place::There, "a comma is missing", "put a `,` between two settings"),
    ("extra comma", Place::There, "there is a comma too many", "remove it"),
    ("unclosed array table", Place::There, "this header is never closed", "end it with `]]`"),
    ("unclosed table", Place::There, "this header is never closed", "end it with `]`"),
    ("unclosed array", Place::Bracket, "`[` is never closed", "put a `]` behind the last value"),
    ("unclosed inline table", Place::Bracket, "`{` is never closed", "put a `}` behind the last setting"),
    ("key with no value", Place::There, "`=` and a value are missing", "write `name = value`"),
    ("missing value", Place::There, "the value is missing", "write it behind the `=`, or remove the line"),
    (
        "unexpected key or value",
        Place::There,
        "there is more on the line than one setting",
        "give each setting its own line, and put texts in quotes",
    ),
    (
        "missing escaped value",
        Place::There,
        "`\\` begins an escape that does not exist",
        "write `\\\\`, or use single quotes: `'C:\\path'`",
    ),
    ("unexpected leading zero", Place::There, "a number must not begin with a zero", "remove the zero"),
    ("invalid fraction", Place::There, "this is no number", "write digits on both sides of the dot"),
    ("invalid mantissa", Place::There, "this is no number", "write digits on both sides of the dot"),
    ("unquoted keys cannot be empty", Place::There, "a key is missing", "write `name = value`"),
    (
        "invalid unquoted key",
        Place::There,
        "this is no key",
        "use letters, digits, `-` and `_`, or put the key in quotes",
    ),
    ("invalid key-value pair", Place::There, "this is no setting", "write `name = value`"),
    ("invalid boolean", Place::There, "this is no value", "write `true` or `false`, or put a text in quotes"),
    (
        "cannot extend value",
        Place::There,
        "this key already has a value and cannot have settings inside",
        "write it as a table, or choose another name",
    ),
];

#[cfg(test)]
mod tests;
