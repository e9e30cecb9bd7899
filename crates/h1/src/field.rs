//! One field line (RFC 9112 §5): where its name and value are, and whether both are well formed.

use crate::fault::Fault;
use crate::known::{Known, KnownSet};
use crate::scan::{self, NOT_TOKEN, TOKEN, UNDERSCORE};
use crate::span::Span;

/// One field of a head, as offsets into the head's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name as it was written.
    pub name: Span,
    /// The value without the white space around it; may be empty.
    pub value: Span,
    /// The whole line, CR LF included; the lines of a head follow one another without gaps.
    pub line: Span,
    /// Which well-known name it is.
    pub known: Known,
}

impl Field {
    /// Whether this field has the name `name`, in any case. For well-known names compare [`Field::known`] instead.
    #[must_use]
    pub fn is(&self, bytes: &[u8], name: &str) -> bool {
        self.name.of(bytes).eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields whose well-known name is in `set`: bit i is `fields[i]`. Made for the `dropped` of `write_fields`.
#[must_use]
#[inline]
pub fn fields_in(fields: &[Field], set: KnownSet) -> u128 {
    let mut found = 0;
    for (at, field) in fields.iter().enumerate() {
        if set.contains(field.known) {
            found |= 1 << at;
        }
    }
    found
}

/// Reads the field line that `rest` begins with, gives it to `keep` and returns its length; it lies at offset `start` of
/// its head. `None` when its end is not there yet. `place` says whether a field came before.
///
/// Faults are found from left to right and the verdict on a byte never depends on bytes after it, so that a line gets
/// the same verdict however it is cut.
#[inline(always)]
pub(crate) fn read(
    rest: &[u8],
    start: usize,
    place: Place,
    keep: impl FnOnce(Field, Underscore),
) -> Result<Option<usize>, Fault> {
    let Some((name, after)) = scan::split_before(rest, b':') else {
        return match name_fault(rest, place) {
            Some(fault) => Err(fault),
            None => Ok(None),
        };
    };
    let known = Known::of(name);
    let mut underscore = Underscore::No;
    if known == Known::Other {
        let classes = scan::classes_in(name, &TOKEN);
        if classes & NOT_TOKEN != 0 || name.is_empty() {
            return Err(name_fault(name, place).unwrap_or(Fault::FieldName));
        }
        if classes & UNDERSCORE != 0 {
            underscore = Underscore::Yes;
        }
    }

    // RFC 9112 §5: OWS around the value is no part of it. One space before it and none behind is what everybody sends.
    let text = match after {
        [_, b' ', next, ..] if *next > b' ' => &after[2..],
        _ => behind_space(after),
    };
    let ending = scan::behind_value(text);
    match ending {
        [b'\r', b'\n', ..] => {}
        [] | [b'\r'] => return Ok(None),
        // RFC 9112 §2.2: a bare CR is no line end and no value byte; a bare LF may be taken as a line end, we do not.
        [b'\r' | b'\n', ..] => return Err(Fault::LineEnd),
        _ => return Err(Fault::FieldValue),
    }
    let length = rest.len() - ending.len() + 2;
    let value = rest.len() - text.len();
    let mut value_end = length - 2;
    if let Some(b' ' | b'\t') = rest.get(value_end.wrapping_sub(1)) {
        value_end = value + scan::trim(&rest[value..value_end]).len();
    }
    let field = Field {
        name: Span::new(start, start + name.len()),
        value: Span::new(start + value, start + value_end),
        line: Span::new(start, start + length),
        known,
    };
    keep(field, underscore);
    Ok(Some(length))
}

/// Whether a field line is the first of its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    First,
    Later,
}

/// What follows the colon and the white space that `after` begins with.
#[cold]
fn behind_space(after: &[u8]) -> &[u8] {
    let space = after.iter().skip(1).take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    after.get(1 + space..).unwrap_or_default()
}

/// Whether a field name holds `_`; such names need a second look in requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Underscore {
    #[default]
    No,
    Yes,
}

/// What is wrong with the bytes before a colon, if anything: the first byte that is no token character decides.
#[cold]
#[inline(never)]
fn name_fault(name: &[u8], place: Place) -> Option<Fault> {
    let at = name.iter().position(|&byte| TOKEN[byte as usize] & NOT_TOKEN != 0)?;
    Some(match name[at] {
        // RFC 9112 §2.2: white space before the first field; §5.2: obs-fold; §5.1: space before the colon.
        b' ' | b'\t' if at == 0 && place == Place::First => Fault::FieldLeadingSpace,
        b' ' | b'\t' if at == 0 => Fault::ObsFold,
        b' ' | b'\t' => Fault::FieldNameSpace,
        b'\n' if at == 0 => Fault::LineEnd,
        b'\r' | b'\n' => Fault::FieldColon,
        _ => Fault::FieldName,
    })
}
