//! The path that is compared with the routes.
//!
//! Two spellings of one path must meet the same route, or a rule that protects `/admin` is passed by with `/%61dmin` or
//! `/x/../admin`. Only the comparison uses the canonical path; the bytes of the client go to the service.

use madang_base::Code;

use crate::codes;
use crate::value::escaped;

/// Why a path is refused; the position is in bytes from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path does not start with `/`.
    #[error("the path does not start with `/`")]
    NotAbsolute,
    /// `%` without two hex digits.
    #[error("byte {at} of the path is a `%` without two hex digits")]
    Escape {
        /// Where the `%` stands.
        at: usize,
    },
    /// `%00`, `%0A` or `%0D`.
    #[error("byte {at} of the path is an escaped NUL, CR or LF")]
    EscapedControl {
        /// Where the `%` stands.
        at: usize,
    },
    /// A control character, `\`, `?` or `#`.
    #[error("byte {at} of the path is {found:?}")]
    Character {
        /// Where it stands.
        at: usize,
        /// What it is.
        found: char,
    },
    /// More `..` than there are segments before them.
    #[error("the path leads above the root with `..`")]
    AboveRoot,
    /// `..;x`: some servers drop what follows the `;` and climb, others do not.
    #[error("the path has a dot segment with parameters")]
    DotParameters,
}

impl PathError {
    /// The code of the problem.
    #[must_use]
    pub const fn code(self) -> &'static Code {
        &codes::PATH_REFUSED
    }

    /// A stable token for logs and metrics.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotAbsolute => "path_not_absolute",
            Self::Escape { .. } => "path_bad_escape",
            Self::EscapedControl { .. } => "path_escaped_control",
            Self::Character { .. } => "path_bad_character",
            Self::AboveRoot => "path_above_root",
            Self::DotParameters => "path_dot_parameters",
        }
    }
}

/// The path for matching: escapes of unreserved characters decoded, the other escapes in upper case, dot segments
/// removed (RFC 3986 §6.2.2), characters that belong escaped escaped. `%2F`, `//` and `;parameters` stay.
///
/// Gives `raw` itself when nothing changes, which takes one pass over the bytes and no allocation; else the text is
/// built in `scratch`. An empty path is `/`, and the `*` of `OPTIONS *` stays.
///
/// # Errors
/// One [`PathError`] per rule above.
pub fn canonical<'a>(raw: &'a str, scratch: &'a mut String) -> Result<&'a str, PathError> {
    match raw {
        "" => return Ok("/"),
        "*" => return Ok(raw),
        _ if !raw.starts_with('/') => return Err(PathError::NotAbsolute),
        _ if is_canonical(raw) => return Ok(raw),
        _ => {}
    }
    scratch.clear();
    let mut at = 1;
    let mut segments = raw[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let start = scratch.len();
        scratch.push('/');
        write_segment(segment, at, scratch)?;
        at += segment.len() + 1;
        // RFC 3986 §5.2.4; a dot segment at the end leaves its slash.
        match &scratch[start + 1..] {
            "." => scratch.truncate(start),
            ".." => {
                let parent = scratch[..start].rfind('/').ok_or(PathError::AboveRoot)?;
                scratch.truncate(parent);
            }
            name if is_dot_with_parameters(name) => return Err(PathError::DotParameters),
            _ => continue,
        }
        if segments.peek().is_none() {
            scratch.push('/');
        }
    }
    Ok(if scratch == raw { raw } else { scratch })
}

/// Whether nothing would change. `/.` may be fine and is looked at closer.
fn is_canonical(raw: &str) -> bool {
    // Without a branch per byte; few paths have a dot at all.
    let seen = raw.bytes().fold(0, |seen, byte| seen | KINDS[byte as usize]);
    seen == PLAIN || (seen == DOT && !raw.contains("/."))
}

fn is_dot_with_parameters(name: &str) -> bool {
    let name = name.strip_prefix('.').unwrap_or("");
    name.strip_prefix('.').unwrap_or(name).starts_with(';')
}

fn write_segment(segment: &str, at: usize, out: &mut String) -> Result<(), PathError> {
    let mut left = segment.as_bytes();
    while let [byte, rest @ ..] = left {
        let at = at + segment.len() - left.len();
        left = rest;
        if *byte != b'%' {
            write_byte(*byte, at, out)?;
            continue;
        }
        let [high, low, after @ ..] = rest else { return Err(PathError::Escape { at }) };
        left = after;
        match escaped(*high, *low) {
            None => return Err(PathError::Escape { at }),
            Some(0 | b'\r' | b'\n') => return Err(PathError::EscapedControl { at }),
            Some(byte) if is_unreserved(byte) => out.push(char::from(byte)),
            Some(byte) => write_escape(byte, out),
        }
    }
    Ok(())
}

fn write_byte(byte: u8, at: usize, out: &mut String) -> Result<(), PathError> {
    match byte {
        b'\\' | b'?' | b'#' | 0..=0x1F | 0x7F => Err(PathError::Character { at, found: char::from(byte) }),
        _ if is_plain(byte) => {
            out.push(char::from(byte));
            Ok(())
        }
        _ => {
            write_escape(byte, out);
            Ok(())
        }
    }
}

/// `%` and two upper-case digits.
pub(crate) fn write_escape(byte: u8, out: &mut String) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    out.extend(['%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
}

/// RFC 3986 §2.3.
pub(crate) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Whether a byte stands for itself in a path: `/` and what RFC 3986 §3.3 allows in a segment, without `%`.
pub(crate) const fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=')
        || matches!(byte, b':' | b'@' | b'/')
}

const PLAIN: u8 = 0;
const DOT: u8 = 1;
const SPECIAL: u8 = 2;

/// What a byte means to [`is_canonical`], as bits.
static KINDS: [u8; 256] = {
    let mut kinds = [SPECIAL; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        if byte == b'.' {
            kinds[byte as usize] = DOT;
        } else if is_plain(byte) {
            kinds[byte as usize] = PLAIN;
        }
        byte += 1;
    }
    kinds
};

#[cfg(test)]
mod tests;
