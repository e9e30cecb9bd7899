//! Reading a path pattern. Each fault comes with the byte where it stands.

use super::glob::Glob;
use super::{MAX_LENGTH, MAX_SEGMENTS, PathFault, PathPattern, Segment};
use crate::canonical::{is_plain, is_unreserved, write_escape};
use crate::value::escaped;

type Fault = (usize, PathFault);

pub(super) fn pattern(text: &str) -> Result<PathPattern, Fault> {
    if text.len() > MAX_LENGTH {
        return Err((MAX_LENGTH, PathFault::TooLong));
    }
    let Some(path) = text.strip_prefix('/') else { return Err((0, PathFault::NotAbsolute)) };
    let mut reader = Reader { names: Vec::new() };
    let mut pattern = PathPattern { text: text.into(), segments: Vec::new(), rest: false };
    let mut at = 1;
    let count = path.split('/').count();
    for (index, segment) in path.split('/').enumerate() {
        let last = index + 1 == count;
        if index == MAX_SEGMENTS {
            return Err((at, PathFault::TooManySegments));
        }
        match reader.segment(segment, at, last)? {
            Read::Segment(segment) => pattern.segments.push(segment),
            Read::Rest if last => pattern.rest = true,
            Read::Rest => return Err((at, PathFault::RestNotLast)),
        }
        at += segment.len() + 1;
    }
    Ok(pattern)
}

enum Read {
    Segment(Segment),
    Rest,
}

struct Reader<'a> {
    /// Variables seen so far.
    names: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    fn segment(&mut self, text: &'a str, start: usize, last: bool) -> Result<Read, Fault> {
        match text {
            "**" => return Ok(Read::Rest),
            "*" => return Ok(Read::Segment(if last { Segment::Last } else { Segment::One })),
            "." | ".." => return Err((start, PathFault::DotSegment(text.to_owned()))),
            _ => {}
        }
        let whole = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).filter(|text| !text.contains('}'));
        if let Some(inner) = whole {
            return match inner.strip_prefix('*') {
                Some(name) => self.variable(name, start).map(|()| Read::Rest),
                None => self.variable(inner, start).map(|()| Read::Segment(Segment::One)),
            };
        }
        self.mixed(text, start).map(Read::Segment)
    }

    fn mixed(&mut self, text: &'a str, start: usize) -> Result<Segment, Fault> {
        let mut glob = Glob::default();
        let mut literal = String::new();
        let mut all_literal = true;
        // Whether the last thing read was a wildcard of any length.
        let mut open = false;
        let mut at = 0;
        while let Some(next) = text[at..].chars().next() {
            let place = start + at;
            let mut length = next.len_utf8();
            match next {
                '*' | '{' | '?' => {
                    glob.push_literal(&std::mem::take(&mut literal));
                    all_literal = false;
                }
                _ => {}
            }
            match next {
                '*' if text[at + 1..].starts_with('*') => return Err((place, PathFault::RestInSegment)),
                '*' | '{' if open => return Err((place, PathFault::Unseparated)),
                '*' => glob.push_any(),
                '{' => {
                    let inner = self.braces(&text[at..], place)?;
                    length = inner.len() + 2;
                    glob.push_variable();
                }
                '}' => return Err((place, PathFault::Unopened)),
                '?' if is_query(&text[at + 1..]) => return Err((place, PathFault::Query)),
                '?' => glob.push_one(),
                '%' => length = write_escaped(&text[at..], place, &mut literal)?,
                _ => write_character(next, place, &mut literal)?,
            }
            open = matches!(next, '*' | '{');
            at += length;
        }
        if !all_literal {
            glob.push_literal(&literal);
            // `?*` asks for no more than `{name}` does, and is as specific.
            return Ok(if glob == Glob::some() { Segment::One } else { Segment::Mixed(glob) });
        }
        if matches!(&*literal, "." | "..") {
            return Err((start, PathFault::DotSegment(text.to_owned())));
        }
        Ok(Segment::Literal(literal.into()))
    }

    /// What stands between the brace that `text` starts with and the next closing one.
    fn braces(&mut self, text: &'a str, place: usize) -> Result<&'a str, Fault> {
        let inner = &text[1..];
        let Some((inner, _)) = inner.split_once('}') else {
            // The slash of `{name:[^/]+}` has cut the segment.
            let regex = inner.contains(':');
            return Err((place, if regex { PathFault::VariableRegex } else { PathFault::Unclosed }));
        };
        if inner.starts_with('*') {
            return Err((place, PathFault::RestInSegment));
        }
        self.variable(inner, place)?;
        Ok(inner)
    }

    fn variable(&mut self, name: &'a str, place: usize) -> Result<(), Fault> {
        if name.contains(':') {
            return Err((place, PathFault::VariableRegex));
        }
        let good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !good {
            return Err((place, PathFault::VariableName(name.to_owned())));
        }
        if self.names.contains(&name) {
            return Err((place, PathFault::VariableTwice(name.to_owned())));
        }
        self.names.push(name);
        Ok(())
    }
}

/// Whether `?` was meant to start a query: `?id=7`.
fn is_query(after: &str) -> bool {
    after.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    })
}

/// Writes an escape in canonical form and returns its length in the pattern.
fn write_escaped(text: &str, place: usize, out: &mut String) -> Result<usize, Fault> {
    let byte = match text.as_bytes() {
        [_, high, low, ..] => escaped(*high, *low),
        _ => None,
    };
    match byte {
        None => return Err((place, PathFault::Escape)),
        Some(0 | b'\r' | b'\n') => return Err((place, PathFault::Forbidden(format!("`{}`", &text[..3])))),
        Some(byte) if is_unreserved(byte) => out.push(char::from(byte)),
        Some(byte) => write_escape(byte, out),
    }
    Ok(3)
}

/// Writes a literal character; one that a path cannot hold is written as its escape, so that `/café` means what it says.
fn write_character(character: char, place: usize, out: &mut String) -> Result<(), Fault> {
    match character {
        '\\' | '#' => Err((place, PathFault::Forbidden(format!("`{character}`")))),
        _ if character.is_ascii_control() => Err((place, PathFault::Forbidden(format!("{character:?}")))),
        _ => {
            let mut bytes = [0; 4];
            for &byte in character.encode_utf8(&mut bytes).as_bytes() {
                if is_plain(byte) { out.push(char::from(byte)) } else { write_escape(byte, out) }
            }
            Ok(())
        }
    }
}
