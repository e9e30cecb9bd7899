//! The lines of a head: reads field lines up to the empty line and remembers where it stopped.
//!
//! Both heads use this. A head that arrives whole is read in one pass, without a search for its end beforehand. When it
//! is cut, `Progress` keeps the start of the unfinished line and how far its end has been looked for; the next call
//! searches only new bytes for a line feed and reads the line again when one is there. No byte is looked at more than
//! three times, however the head is cut.

use crate::Version;
use crate::fault::Fault;
use crate::field::{self, Field, Place, Underscore};

/// How far an unfinished head has been read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// Where the next line begins, once the first line has been read.
    line: Option<u32>,
    /// No line that begins at `line` ends before here. Zero: nothing has been read.
    searched: u32,
    underscore: Underscore,
}

impl Progress {
    /// Whether nothing has been read yet.
    #[inline]
    pub(crate) fn is_fresh(&self) -> bool {
        self.searched == 0
    }

    /// Where the field lines go on, when the first line has been read.
    #[inline]
    pub(crate) fn fields_from(&self) -> Option<usize> {
        self.line.map(|line| line as usize)
    }

    /// Whether reading on can lead to anything: there is a new line feed, or the bytes reach a limit, `first_line` being
    /// that of the first line. Otherwise notes that these bytes have been searched.
    pub(crate) fn can_go_on(&mut self, window: &[u8], first_line: usize, head: usize) -> bool {
        let Some(new) = window.get(self.searched as usize..) else {
            // The caller broke the contract and gave other bytes: read them from the start.
            *self = Self::default();
            return true;
        };
        if new.contains(&b'\n') || window.len() >= head || (self.line.is_none() && window.len() > first_line) {
            return true;
        }
        self.searched = Self::offset(window.len());
        false
    }

    /// Notes that the first line is incomplete in `window`.
    #[cold]
    pub(crate) fn stop_in_first_line(&mut self, window: &[u8]) {
        self.searched = Self::offset(window.len());
    }

    /// Reads field lines from `at` on and appends to `fields`. Returns the offset after the empty line and whether a
    /// name holds `_`; `None` when the end is not in `window`.
    // Not inlined: one copy in the instruction cache for requests and responses, which alternate.
    #[inline(never)]
    pub(crate) fn read_fields(
        &mut self,
        window: &[u8],
        mut at: usize,
        fields: &mut Vec<Field>,
        limit: usize,
    ) -> Result<Option<(usize, Underscore)>, Fault> {
        let mut underscore = self.underscore;
        let mut rest = &window[at..];
        loop {
            match rest {
                [b'\r', b'\n', ..] => return Ok(Some((at + 2, underscore))),
                [] | [b'\r'] => break,
                [b'\r', ..] => return Err(Fault::LineEnd),
                _ => {}
            }
            if fields.len() >= limit {
                return Err(Fault::TooManyFields);
            }
            let place = if fields.is_empty() { Place::First } else { Place::Later };
            let keep = |field, name| {
                if name == Underscore::Yes {
                    underscore = name;
                }
                fields.push(field);
            };
            let Some(length) = field::read(rest, at, place, keep)? else { break };
            rest = &rest[length..];
            at += length;
        }
        *self = Self { line: Some(Self::offset(at)), searched: Self::offset(window.len()), underscore };
        Ok(None)
    }

    /// Windows are at most 16 MiB (`Limits`).
    #[allow(clippy::cast_possible_truncation)]
    fn offset(at: usize) -> u32 {
        at as u32
    }
}

/// Bytes of `HTTP/1.1`.
pub(crate) const VERSION_BYTES: usize = 8;

/// The version `rest` begins with (RFC 9112 §2.3: case matters, one digit on each side of the dot); `None` when it is
/// cut.
#[inline(always)]
pub(crate) fn version(rest: &[u8]) -> Result<Option<Version>, Fault> {
    // As numbers: comparing arrays in a pattern goes byte by byte.
    const HTTP_11: u64 = u64::from_le_bytes(*b"HTTP/1.1");
    const HTTP_10: u64 = u64::from_le_bytes(*b"HTTP/1.0");
    match rest.first_chunk::<VERSION_BYTES>().map(|chunk| u64::from_le_bytes(*chunk)) {
        Some(HTTP_11) => Ok(Some(Version::Http11)),
        Some(HTTP_10) => Ok(Some(Version::Http10)),
        _ => other_version(rest),
    }
}

#[cold]
fn other_version(rest: &[u8]) -> Result<Option<Version>, Fault> {
    let start = &rest[..rest.len().min(VERSION_BYTES)];
    let fits = start.iter().zip(b"HTTP/0.0").all(|(byte, like)| match like {
        b'0' => byte.is_ascii_digit(),
        _ => byte == like,
    });
    match (fits, start.len()) {
        (false, _) => Err(Fault::Version),
        (true, VERSION_BYTES) => Err(Fault::VersionUnsupported),
        (true, _) => Ok(None),
    }
}
