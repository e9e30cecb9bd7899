//! One segment with wildcards: `v*`, `{id}.json`, `report-??`.

use crate::canonical::write_escape;
use crate::value::escaped;

/// Units in order, made so that two globs that take the same texts mostly are the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Glob(Vec<Unit>);

/// A character of a pattern or a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Character(Character),
    /// `?`: one character.
    One,
    /// `*`: any characters, also none. A variable, which is never empty, is `One` and `Any`.
    Any,
}

/// A byte, or an escape as one (256 and above), so that no wildcard ends in the middle of `%2F`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Character(u16);

impl Glob {
    pub(crate) fn literal(canonical: &str) -> Self {
        let mut glob = Self::default();
        glob.push_literal(canonical);
        glob
    }

    /// At least one character.
    pub(crate) fn some() -> Self {
        Self(vec![Unit::One, Unit::Any])
    }

    pub(crate) fn any() -> Self {
        Self(vec![Unit::Any])
    }

    pub(crate) fn push_literal(&mut self, canonical: &str) {
        self.0.extend(characters(canonical.as_bytes()).map(Unit::Character));
    }

    pub(crate) fn push_one(&mut self) {
        // `*?` takes the same as `?*`; only the second form is kept.
        let before = if self.0.last() == Some(&Unit::Any) { self.0.len() - 1 } else { self.0.len() };
        self.0.insert(before, Unit::One);
    }

    pub(crate) fn push_any(&mut self) {
        if self.0.last() != Some(&Unit::Any) {
            self.0.push(Unit::Any);
        }
    }

    pub(crate) fn push_variable(&mut self) {
        self.push_one();
        self.push_any();
    }

    /// The characters before the first wildcard, in canonical form.
    pub(crate) fn start(&self) -> String {
        let mut start = String::new();
        for unit in &self.0 {
            let Unit::Character(character) = unit else { break };
            character.write(&mut start);
        }
        start
    }

    /// The characters, with every run of wildcards as `{}`. Of two globs of different shape the more specific one never
    /// covers the other.
    pub(crate) fn shape(&self) -> String {
        let mut shape = String::new();
        for unit in &self.0 {
            match unit {
                Unit::Character(character) => character.write(&mut shape),
                Unit::One | Unit::Any if shape.ends_with('}') => {}
                Unit::One | Unit::Any => shape.push_str("{}"),
            }
        }
        shape
    }

    /// How many characters stand before the first wildcard.
    pub(crate) fn literal_start(&self) -> usize {
        self.0.iter().take_while(|unit| matches!(unit, Unit::Character(_))).count()
    }

    pub(crate) fn literals(&self) -> usize {
        self.0.iter().filter(|unit| matches!(unit, Unit::Character(_))).count()
    }

    pub(crate) fn wildcards(&self) -> usize {
        self.0.iter().filter(|unit| matches!(unit, Unit::Any)).count()
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        let text = text.as_bytes();
        let (mut unit, mut at) = (0, 0);
        // Where to go on when the last `Any` has to take one character more.
        let mut again: Option<(usize, usize)> = None;
        loop {
            let next = character(text, at);
            match (self.0.get(unit), next) {
                (None, None) => return true,
                (Some(Unit::Any), _) => {
                    again = Some((unit + 1, at));
                    unit += 1;
                    continue;
                }
                (Some(Unit::One), Some((_, after))) => {
                    (unit, at) = (unit + 1, after);
                    continue;
                }
                (Some(Unit::Character(expected)), Some((found, after))) if *expected == found => {
                    (unit, at) = (unit + 1, after);
                    continue;
                }
                _ => {}
            }
            let Some((resume, from)) = again else { return false };
            let Some((_, after)) = character(text, from) else { return false };
            again = Some((resume, after));
            (unit, at) = (resume, after);
        }
    }

    /// Whether every text that `other` takes is taken by this one: the same walk over the units of `other`, where only
    /// our `Any` may take an `Any`.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let (mut unit, mut at) = (0, 0);
        let mut again: Option<(usize, usize)> = None;
        loop {
            match (self.0.get(unit), other.0.get(at)) {
                (None, None) => return true,
                (Some(Unit::Any), _) => {
                    again = Some((unit + 1, at));
                    unit += 1;
                    continue;
                }
                (Some(Unit::One), Some(Unit::One | Unit::Character(_))) => {
                    (unit, at) = (unit + 1, at + 1);
                    continue;
                }
                (Some(Unit::Character(ours)), Some(Unit::Character(theirs))) if ours == theirs => {
                    (unit, at) = (unit + 1, at + 1);
                    continue;
                }
                _ => {}
            }
            let Some((resume, from)) = again else { return false };
            if from >= other.0.len() {
                return false;
            }
            again = Some((resume, from + 1));
            (unit, at) = (resume, from + 1);
        }
    }
}

impl Character {
    fn write(self, out: &mut String) {
        match u8::try_from(self.0) {
            Ok(byte) => out.push(char::from(byte)),
            Err(_) => write_escape(self.0.to_be_bytes()[1], out),
        }
    }
}

/// The character at `at` and where the next one starts. A `%` in canonical text always has two upper-case digits.
fn character(text: &[u8], at: usize) -> Option<(Character, usize)> {
    let byte = *text.get(at)?;
    if byte == b'%'
        && let (Some(&high), Some(&low)) = (text.get(at + 1), text.get(at + 2))
        && let Some(value) = escaped(high, low)
    {
        return Some((Character(256 + u16::from(value)), at + 3));
    }
    Some((Character(u16::from(byte)), at + 1))
}

fn characters(text: &[u8]) -> impl Iterator<Item = Character> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (character, after) = character(text, at)?;
        at = after;
        Some(character)
    })
}
